import { isFromEntrepot, ONLY_IF_CACHED, saysForwarded, saysNotCached } from '../util/only-if-cached.ts';
import { SITE_HEADER } from '../util/replication-header.ts';
import { headerOf, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import type { CallOptions } from './upstream.ts';

const GATEWAY_TIMEOUT = 504;
const SECONDS = /^\d{1,10}$/;

/** The headers that tell a mirror how far it may go for us. */
export function cacheDirectives({ onlyIfCached }: CallOptions): Record<string, string> {
  return onlyIfCached === true ? { 'cache-control': ONLY_IF_CACHED } : {};
}

/**
 * Does an answer say no more than that what was asked for is not in the mirror's store? A peer that does not know us for
 * somebody who may replicate tells what its upstream or its siblings have: taken for its own, that would never be sent.
 */
export function isAbsence(
  { access, headers, kind }: Pick<UpstreamRequest, 'access' | 'headers' | 'kind'>,
  response: Pick<UpstreamResponse, 'status' | 'headers'>,
): boolean {
  const cacheStatus = headerOf(response, 'cache-status');
  if (response.status === 200) {
    if (access === undefined || !isFromEntrepot(cacheStatus)) return false;
    const isKnown = kind !== 'manifest' || headerOf(response, SITE_HEADER.toLowerCase()) !== undefined;
    return saysForwarded(cacheStatus) || !isKnown;
  }
  return (
    response.status === GATEWAY_TIMEOUT && headers['cache-control'] === ONLY_IF_CACHED && saysNotCached(cacheStatus)
  );
}

/**
 * How old the answer of a mirror's store may be (RFC 9111 5.1, 4.2.3): `Age` leaves out parts of a second, and the way
 * here took time too. Sites that repeat to each other what they know must not make it younger.
 * @param askedAtMs when the request was made, by `performance.now`
 * @returns nothing where it was not the store that was asked
 */
export function ageOf(
  response: Pick<UpstreamResponse, 'headers'>,
  { onlyIfCached }: CallOptions,
  askedAtMs: number,
): { ageMs?: number } {
  if (onlyIfCached !== true) return {};
  const age = headerOf(response, 'age') ?? '';
  const wholeSeconds = SECONDS.test(age) ? Number(age) : 0;
  return { ageMs: Math.ceil((wholeSeconds + 1) * 1000 + performance.now() - askedAtMs) };
}
