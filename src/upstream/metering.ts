import type { Exchange, UpstreamRequest, UpstreamResponse } from './exchange.ts';
import type { RateBudget } from './rate-budget.ts';
import { RateLimitError } from './rate-limit-error.ts';
import { type RateNumbers, rateNumbersOf } from './rate-numbers.ts';
import { retryAfterOf } from './retry-after.ts';

export interface MeteringOptions {
  readonly upstream: string;
  /** The registry's base. */
  readonly url: URL;
  readonly budget: RateBudget;
  readonly onNumbers: (numbers: RateNumbers) => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/**
 * Keeps an account's budget: reads what the registry tells, and after a 429 sends nothing to the registry and its token
 * server before the time, not even the next request of a login that is under way. Other hosts, to which redirects lead,
 * are none of the account's business, see {@link sparingHosts}. It stands below the redirects and therefore sees each of them.
 * @throws RateLimitError for a 429, and in place of what is not sent
 */
export function metering(next: Exchange, { upstream, url, budget, onNumbers, now }: MeteringOptions): Exchange {
  return async (request) => {
    const isToken = request.kind === 'token';
    if (!isToken && request.url.origin !== url.origin) return next(request);
    const blockedMs = budget.blockedForMs(now());
    if (blockedMs > 0) throw heldBack(upstream, blockedMs);
    const response = await next(request);
    if (!isToken) learn(request, response);
    if (response.status !== 429) return response;
    response.discard();
    const waitMs = budget.refused(retryAfterOf(response), now());
    throw new RateLimitError(upstream, `${response.url.host} answered 429`, { status: 429, retryAfterMs: waitMs });
  };

  function learn({ kind, method }: UpstreamRequest, response: UpstreamResponse): void {
    const { status } = response;
    // A challenge goes to a stranger, and so do its numbers.
    const numbers = status === 401 ? undefined : rateNumbersOf(response);
    if (numbers) {
      budget.told(numbers, now());
      onNumbers(numbers);
    } else if (kind === 'manifest' && method === 'HEAD' && status === 200) budget.toldNothing(now());
  }
}

function heldBack(upstream: string, waitMs: number): RateLimitError {
  return new RateLimitError(upstream, 'held back after 429', { heldBack: 'blocked', retryAfterMs: waitMs });
}
