import pLimit, { type LimitFunction } from 'p-limit';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { WebhookAnswer, WebhookClient } from '../../upstream/webhook-client.ts';
import { CodedError } from '../../util/coded-error.ts';
import { sleep } from '../../util/sleep.ts';
import { isRefusal, judgeDelivery, type RetryOptions } from './judge-delivery.ts';
import type { WebhookMessage } from './webhook-message.ts';

export interface SenderOptions {
  /** The webhook's name. */
  readonly webhook: string;
  readonly contentType: string;
  readonly client: Pick<WebhookClient, 'post'>;
  readonly retries: RetryOptions;
  readonly telemetry: Telemetry;
}

/** How the latest attempts went. */
export interface SenderState {
  readonly deliveredAtMs?: number;
  /** Why the latest attempt that failed did. */
  readonly error?: string;
  readonly failedAtMs?: number;
}

/** Attempts beside each other. One that waits for its next attempt is none. */
const ATTEMPTS_AT_ONCE = 4;
/** Timers may fire a little early, but nothing may be sent before the time that a receiver asks for. */
const EARLY_MS = 5;

/** Sends messages to one receiver until it has taken or refused them. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #limit: LimitFunction = pLimit(ATTEMPTS_AT_ONCE);
  /** The receiver asked for silence until then, by `performance.now()`. */
  #quietUntilMs = 0;
  #state: SenderState = {};

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get state(): SenderState {
    return this.#state;
  }

  /**
   * Tries again and again. @param isDue asked before each attempt
   * @returns whether it came to an end: taken, or refused for good
   */
  async deliver(message: WebhookMessage, isDue: () => boolean, signal: AbortSignal): Promise<boolean> {
    const { retries, telemetry, webhook } = this.#options;
    const { kind, repository, sequence } = message.events[0];
    const about = { webhook, kind, repository, sequence };
    let [attempts, refusals] = [0, 0];
    for (;;) {
      const outcome = await this.#limit(() => this.#attempt(message, isDue, signal));
      if (!outcome) return false;
      const { answer, error } = outcome;
      attempts += 1;
      if (answer && isRefusal(answer.status)) refusals += 1;
      const verdict = judgeDelivery(answer, { attempts, refusals }, retries, Math.random());
      if (verdict.kind === 'delivered') {
        this.#state = { ...this.#state, deliveredAtMs: Date.now() };
        telemetry.eventDelivered({ ...about, attempts });
        return true;
      }
      this.#state = { ...this.#state, error: describeError(error).error, failedAtMs: Date.now() };
      if (verdict.kind === 'dropped') {
        telemetry.eventRefused({ ...about, attempts, error });
        return true;
      }
      telemetry.eventNotDelivered({ ...about, attempts, retryMs: Math.round(verdict.delayMs), error });
      this.#quietUntilMs = Math.max(this.#quietUntilMs, performance.now() + verdict.quietMs);
      await sleep(verdict.delayMs, signal);
    }
  }

  async #attempt(
    message: WebhookMessage,
    isDue: () => boolean,
    signal: AbortSignal,
  ): Promise<{ answer?: WebhookAnswer; error?: unknown } | undefined> {
    const { client, contentType } = this.#options;
    await this.#silence(signal);
    if (signal.aborted || !isDue()) return undefined;
    try {
      const answer = await client.post({ contentType, body: message.encode() }, signal);
      return { answer, error: new CodedError('ANSWERED', `the receiver answered ${answer.status}`) };
    } catch (error) {
      return signal.aborted ? undefined : { error };
    }
  }

  /** What waits here keeps others from sending, as it should be. */
  async #silence(signal: AbortSignal): Promise<void> {
    for (;;) {
      const restMs = this.#quietUntilMs - performance.now();
      if (restMs <= 0 || signal.aborted) return;
      await sleep(restMs + EARLY_MS, signal);
    }
  }
}
