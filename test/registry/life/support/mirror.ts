import { join } from 'node:path';
import pino from 'pino';
import type { ContentStore, Ingest } from '../../../../src/content/content-store.ts';
import { DiskStore } from '../../../../src/content/disk/disk-store.ts';
import type { MetadataIndex } from '../../../../src/metadata/metadata-index.ts';
import { SqliteIndex } from '../../../../src/metadata/sqlite/sqlite-index.ts';
import { Registry } from '../../../../src/registry/registry.ts';
import { UpstreamRules } from '../../../../src/registry/rules.ts';
import { Upstreams, UpstreamSite } from '../../../../src/registry/upstreams.ts';
import { Metrics } from '../../../../src/telemetry/metrics.ts';
import type { Telemetry } from '../../../../src/telemetry/telemetry.ts';
import { createUpstream } from '../../../../src/upstream/create-upstream.ts';
import type { Upstream } from '../../../../src/upstream/upstream.ts';
import { InFlight } from './in-flight.ts';
import { type Around, observed } from './observed.ts';
import { QUOTA_REGISTRY, REGISTRIES } from './universe.ts';

/** How a mirror is configured. */
export interface Setup {
  readonly quotaBytes: number;
  /** Of {@link QUOTA_REGISTRY}. */
  readonly registryQuotaBytes: number;
  readonly lowWatermark: number;
  readonly readAhead: boolean;
  readonly freshForMs: number;
  readonly hotManifestBytes: number;
}

export interface MirrorOptions {
  readonly path: string;
  /** Where all upstreams are. */
  readonly originUrl: string;
  readonly setup: Setup;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Around each call of the index, the store and its ingests. */
  readonly around: (mirror: Mirror, part: 'index' | 'store' | 'ingest', ...call: Parameters<Around>) => unknown;
}

/** As for a small quota (src/server.ts). */
const LOG_BYTES = 128 * 1024;

/** A mirror without its listeners. */
export class Mirror implements AsyncDisposable {
  readonly inFlight = new InFlight();
  /** Without what is around them. */
  readonly index: MetadataIndex;
  readonly store: ContentStore;
  readonly registry: Registry;
  /** What it logged as errors. */
  readonly errors: Record<string, unknown>[] = [];
  #opened: AsyncDisposableStack;
  #hasReconciled = false;

  private constructor(store: ContentStore, options: MirrorOptions, opened: AsyncDisposableStack) {
    const { path, setup } = options;
    this.#opened = opened;
    this.store = opened.use(store);
    this.index = opened.use(
      new SqliteIndex(join(path, 'index.sqlite'), {
        logBytes: LOG_BYTES,
        onFlushError: (error) => this.errors.push({ error }),
      }),
    );
    const telemetry = this.inFlight.telemetry(this.#logger(), new Metrics('life'));
    const upstreams = opened.use(makeUpstreams(options, telemetry));
    const around =
      (part: 'index' | 'store' | 'ingest') => (method: string, args: readonly unknown[], call: () => unknown) =>
        options.around(this, part, method, args, call);
    this.registry = opened.use(
      new Registry({
        store: observed(this.store, (method, args, call) => {
          const result = around('store')(method, args, call);
          return method === 'ingest'
            ? (result as Promise<Ingest>).then((one) => observed(one, around('ingest')))
            : result;
        }),
        index: observed(this.index, around('index')),
        upstreams,
        telemetry,
        events: { status: async () => [] },
        site: 'life',
        version: '0',
        limits: {
          quotaBytes: setup.quotaBytes,
          minFreeBytes: 0,
          lowWatermark: setup.lowWatermark,
          registryQuotas: new Map([[QUOTA_REGISTRY, setup.registryQuotaBytes]]),
        },
        pins: [],
        hosted: [],
        hostedRules: [],
        retentionSchedule: '30 3 * * *',
        uploads: { expireMs: Infinity },
        manifestLimitBytes: 4 * 1024 * 1024,
        scrub: { everyMs: Infinity, bytesPerSecond: Infinity },
        warm: [],
        readAhead: setup.readAhead,
        notFoundForMs: 0,
        hotManifestBytes: setup.hotManifestBytes,
        fillConnections: 4,
        maxExtraConnections: 8,
      }),
    );
  }

  /** Opens a data directory as `startServer` does. @param onOpened before anything is looked at or cleared away */
  static async open(options: MirrorOptions, onOpened: (mirror: Mirror) => Promise<void>): Promise<Mirror> {
    await using opened = new AsyncDisposableStack();
    const mirror = new Mirror(await DiskStore.open(options.path), options, opened);
    await onOpened(mirror);
    await mirror.registry.prepare();
    mirror.registry.run();
    mirror.#opened = opened.move();
    return mirror;
  }

  /** Nothing goes on in the background. */
  async isIdle(): Promise<boolean> {
    const { fills, disk, scrub } = await this.registry.operations.status();
    return this.#hasReconciled && fills.length === 0 && !disk.isEvicting && !scrub.isRunning;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }

  #logger(): pino.Logger {
    return pino(
      { level: 'info' },
      {
        write: (line: string) => {
          const record = JSON.parse(line) as Record<string, unknown>;
          if (record['msg'] === 'index and disk agree') this.#hasReconciled = true;
          // Damage that was done by hand is found where the damage is known.
          if (Number(record['level']) >= 50 && record['msg'] !== 'stored content was lost') this.errors.push(record);
        },
      },
    );
  }
}

function makeUpstreams({ originUrl, setup, now }: MirrorOptions, telemetry: Telemetry): Upstreams {
  const rules = new UpstreamRules({
    freshForMs: setup.freshForMs,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: Infinity,
    immutable: [],
    onUpstreamDelete: 'keep',
    allow: [],
    deny: [],
    rules: [],
  });
  const upstream = (name: string): Upstream =>
    createUpstream(
      {
        name,
        url: new URL(originUrl),
        credentials: [],
        rateReserve: 0,
        maxConnections: 16,
        allowHosts: [],
        timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000 },
        retries: 1,
        manifestLimitBytes: 1024 * 1024,
        userAgent: 'life',
      },
      telemetry,
      { now },
    );
  return new Upstreams(
    REGISTRIES.map((name) => new UpstreamSite(upstream(name), rules, false)),
    REGISTRIES[0],
  );
}
