import { type Exchange, headerOf, type UpstreamResponse } from './exchange.ts';
import { retryAfterMs } from './retry-after.ts';
import { UpstreamError, type UpstreamErrorCode } from './upstream-error.ts';

/** Makes errors of the statuses that say "not now": 408, 429 and 5xx, but not 501, which says "never". */
export function failingStatuses(next: Exchange, upstream: string): Exchange {
  return async (request) => {
    const response = await next(request);
    const code = failureOf(response.status);
    if (!code) return response;
    response.discard();
    throw new UpstreamError(code, upstream, `${response.url.host} answered ${response.status}`, {
      status: response.status,
      ...waitOf(response),
    });
  };
}

function failureOf(status: number): UpstreamErrorCode | undefined {
  if (status === 429) return 'RATE_LIMITED';
  if (status === 408) return 'TIMEOUT';
  return status >= 500 && status !== 501 ? 'UNAVAILABLE' : undefined;
}

function waitOf(response: UpstreamResponse): { retryAfterMs?: number } {
  const wait = retryAfterMs(headerOf(response, 'retry-after'), Date.now());
  return wait === undefined ? {} : { retryAfterMs: wait };
}
