import { isAbsence } from './cache-control.ts';
import { readReason } from './error-reason.ts';
import { type Exchange, isWriting, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { retryAfterOf } from './retry-after.ts';
import { UpstreamError, type UpstreamErrorCode } from './upstream-error.ts';

/** RFC 4918 11.5 */
const INSUFFICIENT_STORAGE = 507;

/**
 * Makes errors of the statuses that say "not now": 408, 429 and 5xx, but not 501, which says "never", nor the 504 that says
 * that it is not in a store, nor the 507 to what we sent.
 */
export function failingStatuses(next: Exchange, upstream: string): Exchange {
  return async (request) => {
    const response = await next(request);
    const { status } = response;
    const code = isAbsence(request, response) ? 'NOT_FOUND' : failureOf(status);
    if (!code || (status === INSUFFICIENT_STORAGE && isPush(request))) return response;
    const { code: reason, text } = isPush(request) ? await readReason(response) : {};
    response.discard();
    const message = `${response.url.host} answered ${status}${text ? `: ${text}` : ''}`;
    throw new UpstreamError(code, upstream, message, { status, reason, ...waitOf(response) });
  };
}

/** Something is sent to a peer, whose words about it are worth to be read. */
function isPush(request: UpstreamRequest): boolean {
  return request.access !== undefined && isWriting(request);
}

function failureOf(status: number): UpstreamErrorCode | undefined {
  if (status === 429) return 'RATE_LIMITED';
  if (status === 408) return 'TIMEOUT';
  return status >= 500 && status !== 501 ? 'UNAVAILABLE' : undefined;
}

function waitOf(response: UpstreamResponse): { retryAfterMs?: number } {
  const wait = retryAfterOf(response);
  return wait === undefined ? {} : { retryAfterMs: wait };
}
