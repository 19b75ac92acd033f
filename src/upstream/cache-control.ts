import { ONLY_IF_CACHED, saysNotCached } from '../util/only-if-cached.ts';
import { headerOf, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import type { CallOptions } from './upstream.ts';

const GATEWAY_TIMEOUT = 504;
const SECONDS = /^\d{1,10}$/;

/** The headers that tell a mirror how far it may go for us. */
export function cacheDirectives({ onlyIfCached }: CallOptions): Record<string, string> {
  return onlyIfCached === true ? { 'cache-control': ONLY_IF_CACHED } : {};
}

/** Does an answer say no more than that what was asked for is not in the mirror's store? */
export function isAbsence(
  { headers }: Pick<UpstreamRequest, 'headers'>,
  response: Pick<UpstreamResponse, 'status' | 'headers'>,
): boolean {
  if (response.status !== GATEWAY_TIMEOUT || headers['cache-control'] !== ONLY_IF_CACHED) return false;
  return saysNotCached(headerOf(response, 'cache-status'));
}

/** How old the answer of a mirror's store is (RFC 9111 5.1); nothing where it was not the store that was asked. */
export function ageOf(response: Pick<UpstreamResponse, 'headers'>, { onlyIfCached }: CallOptions): { ageMs?: number } {
  if (onlyIfCached !== true) return {};
  const age = headerOf(response, 'age') ?? '';
  return { ageMs: SECONDS.test(age) ? Number(age) * 1000 : 0 };
}
