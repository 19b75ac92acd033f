import type { WebhookAnswer } from '../../upstream/webhook-client.ts';

/** How often a delivery is tried. */
export interface RetryOptions {
  /** Before the second attempt; it doubles with each one. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** A receiver's wish to be left alone for longer counts as this. */
  readonly maxRetryAfterMs: number;
  /** What is refused so often is given up. */
  readonly maxRefusals: number;
}

export const DEFAULT_RETRIES: RetryOptions = {
  firstDelayMs: 1000,
  maxDelayMs: 5 * 60_000,
  maxRetryAfterMs: 3_600_000,
  maxRefusals: 5,
};

/** How it went up to now, this attempt included. */
export interface DeliveryHistory {
  readonly attempts: number;
  readonly refusals: number;
}

export type DeliveryVerdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'dropped' }
  /** `quietMs`: until then the receiver wants to hear of nothing. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly quietMs: number };

/**
 * What says "not now" (RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4), or that our login is wrong, which its operator mends: no
 * event is lost while a token is being changed.
 */
const NOT_NOW = new Set([401, 403, 407, 408, 425, 429]);

/** Is this answer the receiver's refusal of this very message? A redirect is one: it is not followed. */
export function isRefusal(status: number): boolean {
  return status >= 300 && status < 500 && !NOT_NOW.has(status);
}

/**
 * What becomes of a delivery after an attempt.
 * @param answer undefined: there was none
 * @param chance 0 to 1: what is left to chance, so that many do not come back at once
 */
export function judgeDelivery(
  answer: WebhookAnswer | undefined,
  { attempts, refusals }: DeliveryHistory,
  options: RetryOptions,
  chance: number,
): DeliveryVerdict {
  if (answer && answer.status < 300) return { kind: 'delivered' };
  if (answer && isRefusal(answer.status) && refusals >= options.maxRefusals) return { kind: 'dropped' };
  const grownMs = Math.min(options.firstDelayMs * 2 ** (attempts - 1), options.maxDelayMs);
  const quietMs = Math.min(answer?.retryAfterMs ?? 0, options.maxRetryAfterMs);
  return { kind: 'retry', delayMs: Math.max(grownMs * (0.5 + chance / 2), quietMs), quietMs };
}
