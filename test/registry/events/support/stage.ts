import { join } from 'node:path';
import type { RegistryEvent } from '../../../../src/metadata/event-index.ts';
import type { SqliteIndex } from '../../../../src/metadata/sqlite/sqlite-index.ts';
import { type Digest, digestOf } from '../../../../src/oci/digest.ts';
import { EventOutlet, type EventOutletOptions } from '../../../../src/registry/events/event-outlet.ts';
import type { RetryOptions } from '../../../../src/registry/events/judge-delivery.ts';
import { WebhookClient, type WebhookClientOptions } from '../../../../src/upstream/webhook-client.ts';
import type { WebhookOptions } from '../../../../src/registry/events/webhook.ts';
import { openSqliteFile } from '../../../metadata/support/open-sqlite-index.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { quietTelemetry } from '../../../upstream/connect.ts';

const SITE = 'eu-west';

/** Short enough for tests, long enough to be seen. */
export const RETRIES: RetryOptions = { firstDelayMs: 5, maxDelayMs: 20, maxRetryAfterMs: 60_000, maxRefusals: 3 };

type OutletSettings = Partial<Omit<EventOutletOptions, 'index' | 'webhooks'>> & {
  readonly webhooks?: readonly (Partial<Omit<WebhookOptions, 'client'>> &
    Partial<WebhookClientOptions> & { url: URL })[];
};

/** An index on a disk, and the outlets of its events. */
export interface EventStage extends AsyncDisposable {
  readonly index: SqliteIndex;
  /** Starts an outlet; the one before must be closed. */
  open(settings?: OutletSettings): Promise<EventOutlet>;
  /** Closes the outlet. */
  close(): Promise<void>;
  /** Closes the outlet and the index, and opens the index again. */
  restart(): Promise<void>;
  /** Something happens in each of these repositories; @returns the numbers of the events */
  happen(...repositories: string[]): Promise<number[]>;
  /** The same, at another time. */
  happenAt(atMs: number, ...repositories: string[]): Promise<number[]>;
  /** A manifest is pushed by these tags. */
  push(repository: string, tags: readonly string[], name?: string): Promise<Digest>;
}

export async function openStage(): Promise<EventStage> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const file = join(directory.path, 'index.sqlite');
  let index = openSqliteFile(file);
  let outlet = new AsyncDisposableStack();
  const cleanup = opened.move();
  let count = 0;
  const close = async () => {
    await outlet.disposeAsync();
    outlet = new AsyncDisposableStack();
  };
  const happenAt: EventStage['happenAt'] = async (atMs, ...repositories) => {
    const before = await index.lastEvent();
    for (const repository of repositories) {
      count += 1;
      const digest = digestOf(Buffer.from(`blob ${count}`));
      await index.pushBlob({ repository, digest, sizeBytes: count, atMs }, { actor: 'alice' });
    }
    return repositories.map((_, number) => before + 1 + number);
  };
  return {
    get index() {
      return index;
    },
    close,
    open: async ({ webhooks = [], ...settings } = {}) => {
      const options = webhooks.map((webhook, number) => {
        const name = webhook.name ?? `hook${number}`;
        const client = outlet.use(
          new WebhookClient({ name, timeoutMs: 10_000, userAgent: 'entrepot-test', ...webhook }),
        );
        return {
          format: 'cloudevents' as const,
          events: ['push', 'fill', 'tag', 'untag', 'delete', 'blob'] as const,
          repositories: ['**'],
          ...webhook,
          name,
          client,
        };
      });
      const started = outlet.use(
        new EventOutlet({
          index,
          site: SITE,
          telemetry: quietTelemetry(),
          keepMs: Infinity,
          retries: RETRIES,
          ...settings,
          webhooks: options,
        }),
      );
      await started.start();
      return started;
    },
    restart: async () => {
      await close();
      await index[Symbol.asyncDispose]();
      index = openSqliteFile(file);
    },
    happen: (...repositories) => happenAt(Date.now(), ...repositories),
    happenAt,
    push: async (repository, tags, name = `manifest ${(count += 1)}`) => {
      const digest = digestOf(Buffer.from(name));
      await index.pushManifest(
        {
          repository,
          digest,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          sizeBytes: 400,
          artifactType: undefined,
          references: [],
          tags,
          atMs: Date.now(),
        },
        [],
        { actor: 'alice' },
      );
      return digest;
    },
    [Symbol.asyncDispose]: async () => {
      await close();
      await index[Symbol.asyncDispose]();
      await cleanup.disposeAsync();
    },
  };
}

/** Ids of events by their numbers. */
export function idsOf(sequences: readonly number[]): string[] {
  return sequences.map((sequence) => `${SITE}/${sequence}`);
}

/** An event that nobody wrote into a log. */
export function someEvent(event: Partial<RegistryEvent> = {}): RegistryEvent {
  return {
    sequence: 7,
    atMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    kind: 'push',
    repository: 'local/app',
    digest: digestOf(Buffer.from('a manifest')),
    tag: undefined,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    sizeBytes: 400,
    previous: undefined,
    actor: 'alice',
    origin: undefined,
    ...event,
  };
}
