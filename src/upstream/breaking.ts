import { throwIfGivenUp } from './caller-signal.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import type { Exchange } from './exchange.ts';
import { RateLimitError } from './rate-limit-error.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * Asks the circuit breaker before each request, and tells it how that went. It stands before the retries: a moment in
 * which ten connections break at once, and after which ten retries succeed, is no reason to hold anything back.
 */
export function breaking(next: Exchange, breaker: CircuitBreaker, upstream: string): Exchange {
  const judged = new WeakSet<UpstreamError>();
  return async (request) => {
    throwIfGivenUp(upstream, request.signal);
    const waitMs = breaker.admit();
    if (waitMs > 0) {
      throw new UpstreamError('UNAVAILABLE', upstream, 'held back after failures', { retryAfterMs: waitMs });
    }
    try {
      const response = await next(request);
      breaker.succeeded();
      return response;
    } catch (error) {
      // When the caller gave up nothing is known of the upstream.
      // And when several waited for the same token they have the same error, which is one failure.
      if (error instanceof UpstreamError && !request.signal?.aborted && !judged.has(error)) {
        judged.add(error);
        judge(error, breaker);
      }
      throw error;
    }
  };
}

function judge(error: UpstreamError, breaker: CircuitBreaker): void {
  // Nothing was sent, so nothing is known.
  if (error instanceof RateLimitError && error.heldBack) return;
  if (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT' || error.code === 'UNAVAILABLE') breaker.failed();
  else breaker.succeeded();
}
