import type { RegistryEvent } from '../../metadata/event-index.ts';
import { EventTrimming } from './event-trimming.ts';
import { Webhook, type WebhookOptions, type WebhookParts, type WebhookStatus } from './webhook.ts';

export interface EventOutletOptions extends WebhookParts {
  readonly webhooks: readonly WebhookOptions[];
  /** How long events are kept; may be Infinity. */
  readonly keepMs: number;
  /** How often it is looked what is too old. */
  readonly trimEveryMs?: number;
}

type TrimListener = (events: readonly RegistryEvent[]) => void;

/** What becomes of events: receivers are told, and in the end they go. */
export class EventOutlet implements AsyncDisposable {
  readonly #options: EventOutletOptions;
  readonly #webhooks: readonly Webhook[];
  readonly #trimming: EventTrimming;
  readonly #trimListeners = new Set<TrimListener>();

  constructor(options: EventOutletOptions) {
    const { index, keepMs, telemetry, trimEveryMs, webhooks } = options;
    this.#options = options;
    this.#webhooks = webhooks.map((webhook) => new Webhook(webhook, options));
    this.#trimming = new EventTrimming({
      index,
      telemetry,
      keepMs,
      onTrim: (events) => {
        for (const webhook of this.#webhooks) webhook.abandon(events);
        for (const listener of this.#trimListeners) listener(events);
      },
      ...(trimEveryMs !== undefined && { everyMs: trimEveryMs }),
    });
  }

  /** To be called before anything is served: a new webhook is told what happens from now on. @throws MetadataError */
  async start(): Promise<void> {
    for (const webhook of this.#webhooks) await webhook.start();
    if (this.#webhooks.length > 0) this.#options.telemetry.metrics.observeWebhooks(() => this.status());
    this.#trimming.start();
  }

  /** Tells of events before they go from the log, until it is disposed of: for other readers of it. */
  onTrim(listener: TrimListener): Disposable {
    this.#trimListeners.add(listener);
    return { [Symbol.dispose]: () => this.#trimListeners.delete(listener) };
  }

  status(): Promise<WebhookStatus[]> {
    return Promise.all(this.#webhooks.map((webhook) => webhook.status()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trimming[Symbol.asyncDispose]();
    await Promise.all(this.#webhooks.map((webhook) => webhook[Symbol.asyncDispose]()));
  }
}
