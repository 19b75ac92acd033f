import { LRUCache } from 'lru-cache';
import type { Exchange } from './exchange.ts';
import { retryAfterOf } from './retry-after.ts';
import { UpstreamError } from './upstream-error.ts';

export interface SparingOptions {
  readonly upstream: string;
  /** The registry's base. */
  readonly url: URL;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

const MAX_HOSTS = 1000;

/**
 * Leaves the hosts alone to which redirects lead, storages and other registries, for as long as they ask for with a 429.
 * That says nothing of an account: the registry and its token servers, which know us by one, are {@link metering}'s.
 * @throws UpstreamError `RATE_LIMITED` in place of what is not sent
 */
export function sparingHosts(next: Exchange, { upstream, url, now }: SparingOptions): Exchange {
  const sparedUntil = new LRUCache<string, number>({ max: MAX_HOSTS });
  return async (request) => {
    const { host, origin } = request.url;
    if (request.kind === 'token' || origin === url.origin) return next(request);
    const leftMs = Math.ceil((sparedUntil.get(origin) ?? 0) - now());
    if (leftMs > 0) {
      throw new UpstreamError('RATE_LIMITED', upstream, `${host} is left alone after 429`, { retryAfterMs: leftMs });
    }
    const response = await next(request);
    const waitMs = response.status === 429 ? retryAfterOf(response) : undefined;
    if (waitMs !== undefined) sparedUntil.set(origin, Math.max(sparedUntil.get(origin) ?? 0, now() + waitMs));
    return response;
  };
}
