import type { RegistryEvent } from '../../metadata/event-index.ts';
import { compileGlobs } from '../../oci/glob.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { WebhookClient } from '../../upstream/webhook-client.ts';
import { KeyedLock } from '../../util/keyed-lock.ts';
import { actsOf } from './acts.ts';
import { cloudEvents } from './cloud-events.ts';
import { distributionNotifications } from './distribution-notifications.ts';
import { EventFeed } from './event-feed.ts';
import type { EventLog } from './event-log.ts';
import { DEFAULT_RETRIES, type RetryOptions } from './judge-delivery.ts';
import { Sender, type SenderState } from './sender.ts';
import type { WebhookFormat, WebhookMessage } from './webhook-message.ts';

/** A receiver of events. */
export interface WebhookOptions {
  readonly name: string;
  readonly format: 'cloudevents' | 'distribution';
  /** What it is told of. */
  readonly events: readonly RegistryEvent['kind'][];
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Disposed of by who made it, after the webhook. */
  readonly client: Pick<WebhookClient, 'post'>;
}

export interface WebhookParts {
  readonly index: EventLog;
  readonly site: string;
  readonly telemetry: Telemetry;
  readonly retries?: RetryOptions;
  /** See EventFeed. */
  readonly pageEvents?: number;
  readonly maxOpenEvents?: number;
}

/** How a webhook is doing. */
export interface WebhookStatus extends SenderState {
  readonly name: string;
  /** Events that it was not told of yet; those far down the log count whether it wants them or not. */
  readonly pendingEvents: number;
  /** When the oldest of them happened. */
  readonly pendingSinceMs?: number;
}

/**
 * Tells one receiver what happened, each event at least once, those of one repository in order: while one of them cannot be
 * delivered, later ones of its repository wait, and those of others go on.
 */
export class Webhook implements AsyncDisposable {
  readonly #options: WebhookOptions;
  readonly #parts: WebhookParts;
  readonly #format: WebhookFormat;
  readonly #feed: EventFeed;
  readonly #sender: Sender;
  readonly #isWanted: (event: RegistryEvent) => boolean;
  readonly #repositories = new KeyedLock();
  readonly #deliveries = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  constructor(options: WebhookOptions, parts: WebhookParts) {
    const { client, events, format, name, repositories } = options;
    const { retries = DEFAULT_RETRIES, site, telemetry } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#format = format === 'cloudevents' ? cloudEvents(site) : distributionNotifications(site);
    this.#feed = new EventFeed({ ...parts, reader: `webhook.${name}`, from: 'newest' });
    this.#sender = new Sender({ webhook: name, contentType: this.#format.contentType, client, retries, telemetry });
    const isMatch = compileGlobs(repositories);
    this.#isWanted = ({ kind, repository }) => events.includes(kind) && isMatch(repository);
  }

  /** Finds its place in the log and begins. @throws MetadataError */
  async start(): Promise<void> {
    const missed = await this.#feed.load();
    if (missed > 0) this.#tellLost(missed, false);
    this.#reading = this.#read();
  }

  /** These go from the log, delivered or not. */
  abandon(events: readonly RegistryEvent[]): void {
    const lost = this.#feed.abandon(events).filter(this.#isWanted).length;
    if (lost > 0) this.#tellLost(lost, true);
  }

  async status(): Promise<WebhookStatus> {
    const { events, oldestAtMs } = await this.#feed.lag();
    return {
      name: this.#options.name,
      pendingEvents: events,
      ...(oldestAtMs !== undefined && { pendingSinceMs: oldestAtMs }),
      ...this.#sender.state,
    };
  }

  /** Ends at once. What is not delivered is delivered after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#reading;
    await Promise.all(this.#deliveries);
    await this.#feed[Symbol.asyncDispose]();
  }

  async #read(): Promise<void> {
    for await (const events of this.#feed.pages(this.#stop.signal)) {
      const messages = actsOf(events).flatMap((act) => this.#format.messagesOf(act, this.#isWanted));
      const wanted = new Set(messages.flatMap((message) => message.events));
      this.#feed.settle(events.filter((event) => !wanted.has(event)));
      for (const message of messages) this.#begin(message);
    }
  }

  #begin(message: WebhookMessage): void {
    const { repository } = message.events[0];
    const delivery = this.#repositories
      .run(repository, () => this.#deliver(message))
      .finally(() => this.#deliveries.delete(delivery));
    this.#deliveries.add(delivery);
  }

  async #deliver(message: WebhookMessage): Promise<void> {
    const isDue = () => message.events.some((event) => this.#feed.isOpen(event));
    if (await this.#sender.deliver(message, isDue, this.#stop.signal)) this.#feed.settle(message.events);
  }

  #tellLost(events: number, isExact: boolean): void {
    this.#parts.telemetry.eventsLost({ webhook: this.#options.name, events, isExact });
  }
}
