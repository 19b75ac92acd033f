import { headerOf, type UpstreamResponse } from './exchange.ts';

/** Docker Hub's REST API has been seen to put the time itself there, in seconds since 1970. */
const EPOCH_SECONDS = 1_000_000_000;
/** Docker Hub's window: what is longer is a mistake, and a mistake must not silence an upstream for days. */
export const MAX_RETRY_AFTER_MS = 6 * 3_600_000;
/** What is told as a point in time depends on two clocks, of which one may be wrong. */
const MAX_BY_CLOCK_MS = 3_600_000;

/**
 * What an answer says in Retry-After, see {@link retryAfterMs}. A point in time is by the clock of who sent it, which its
 * Date tells (RFC 9110 6.6.1): by ours it may have passed already.
 */
export function retryAfterOf(response: Pick<UpstreamResponse, 'headers'>): number | undefined {
  const sentAtMs = Date.parse(headerOf(response, 'date') ?? '');
  return retryAfterMs(headerOf(response, 'retry-after'), Number.isNaN(sentAtMs) ? Date.now() : sentAtMs);
}

/**
 * Retry-After as milliseconds from `nowMs`: seconds or an HTTP date (RFC 9110 10.2.3), or seconds since 1970.
 * At most six hours, or one if it is a point in time; undefined for junk.
 */
export function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{1,15}(\.\d{1,9})?$/.test(trimmed)) {
    const seconds = Number(trimmed);
    if (seconds < EPOCH_SECONDS) return bounded(seconds * 1000, MAX_RETRY_AFTER_MS);
    return bounded(asEpochMs(seconds) - nowMs, MAX_BY_CLOCK_MS);
  }
  const date = /[a-z]/i.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(date) ? undefined : bounded(date - nowMs, MAX_BY_CLOCK_MS);
}

function asEpochMs(epoch: number): number {
  return epoch > EPOCH_SECONDS * 1000 ? epoch : epoch * 1000;
}

function bounded(ms: number, maxMs: number): number {
  return Math.min(Math.max(Math.ceil(ms), 0), maxMs);
}
