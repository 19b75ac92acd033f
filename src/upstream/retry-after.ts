/** Docker Hub's REST API has been seen to put the time itself there, in seconds since 1970. */
const EPOCH_SECONDS = 1_000_000_000;
const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * Retry-After as milliseconds from `nowMs`: seconds or an HTTP date (RFC 9110 10.2.3), or seconds since 1970.
 * At most an hour, so that a wrong clock does not silence an upstream for days; undefined for junk.
 */
export function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{1,15}(\.\d{1,9})?$/.test(trimmed)) {
    const seconds = Number(trimmed);
    return bounded(seconds < EPOCH_SECONDS ? seconds * 1000 : asEpochMs(seconds) - nowMs);
  }
  const date = /[a-z]/i.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(date) ? undefined : bounded(date - nowMs);
}

function asEpochMs(epoch: number): number {
  return epoch > EPOCH_SECONDS * 1000 ? epoch : epoch * 1000;
}

function bounded(ms: number): number {
  return Math.min(Math.max(Math.ceil(ms), 0), MAX_RETRY_AFTER_MS);
}
