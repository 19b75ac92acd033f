import { DelegateBackoff, handleWhen, type IRetryBackoffContext, retry } from 'cockatiel';
import { untilGivenUp } from './caller-signal.ts';
import { type Exchange, isStream } from './exchange.ts';
import { RateLimitError } from './rate-limit-error.ts';
import { UpstreamError } from './upstream-error.ts';

export interface RetryOptions {
  readonly upstream: string;
  /** How often to try again after the first time. */
  readonly retries: number;
}

const BASE_DELAY_MS = 100;
/** A client waits 30 s for an answer: what has taken this long already is not begun once more. */
const TOTAL_MS = 10_000;
const MAX_DELAY_MS = 2000;
/** Timers may fire a little early, but nothing may be sent before the time that an upstream asks for. */
const EARLY_MS = 5;

/**
 * Tries again after trouble that tends to pass, until the headers (or a short body) are here. What streams a body knows
 * better where to go on.
 */
export function retrying(next: Exchange, { upstream, retries }: RetryOptions): Exchange {
  return (request) => {
    if (isStream(request.body)) return next(request);
    const deadline = performance.now() + TOTAL_MS;
    const mayPass = handleWhen((error) => isPassing(error) && !request.signal?.aborted && performance.now() < deadline);
    const policy = retry(mayPass, { maxAttempts: retries, backoff: new DelegateBackoff(delayMs) });
    // The policy sleeps without an eye on the signal.
    return untilGivenUp(
      upstream,
      policy.execute(() => next(request)),
      request.signal,
    );
  };
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof UpstreamError)) return false;
  switch (error.code) {
    case 'UNREACHABLE':
      return true;
    case 'TIMEOUT':
      return error.status === 408 || isConnectTimeout(error.cause);
    case 'UNAVAILABLE':
      return (error.retryAfterMs ?? 0) <= MAX_DELAY_MS;
    case 'RATE_LIMITED':
      // What was not sent was told before that it is too early: a client is better off with an answer at once.
      if (error instanceof RateLimitError && error.heldBack) return false;
      return error.retryAfterMs !== undefined && error.retryAfterMs <= MAX_DELAY_MS;
    case 'NOT_FOUND':
    case 'DENIED':
    case 'CREDENTIALS_REFUSED':
    case 'REFUSED':
    case 'INVALID':
      return false;
    default:
      return error.code satisfies never;
  }
}

function isConnectTimeout(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'UND_ERR_CONNECT_TIMEOUT';
}

/** What the upstream asks for, otherwise 100, 200, 400 ms, ..., of which up to a half is left to chance. */
function delayMs({ attempt, result }: IRetryBackoffContext<unknown>): number {
  const wish = 'error' in result && result.error instanceof UpstreamError ? result.error.retryAfterMs : undefined;
  const grown = Math.min(BASE_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
  return Math.max(wish === undefined ? 0 : wish + EARLY_MS, grown * (0.5 + Math.random() / 2));
}
