import type { AddressGuard } from './address-guard.ts';
import { type Exchange, headerOf, isWriting, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { UpstreamError } from './upstream-error.ts';

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** What storages answer when a signature has run out (S3, R2 and Azure 403, GCS 400). */
const SIGNATURE_REFUSALS = new Set([400, 401, 403]);
/** Storages refuse a foreign Authorization next to their signature, and it is none of their business. */
const PRIVATE_HEADERS = new Set(['authorization', 'cookie']);

/**
 * Follows the redirects of GET and HEAD only (RFC 9110 15.4): method, Range and Accept stay; Authorization goes no further
 * than scheme, host and port stay the same. Targets live for minutes, so none is remembered; when one is refused, the
 * registry is asked once more for a new one.
 */
export function followingRedirects(next: Exchange, guard: AddressGuard, upstream: string): Exchange {
  const follow = async (request: UpstreamRequest): Promise<UpstreamResponse> => {
    let current = request;
    for (let hops = 0; ; hops++) {
      const response = await next(current);
      if (!REDIRECTS.has(response.status) || isWriting(request)) return response;
      response.discard();
      if (hops === MAX_REDIRECTS) throw new UpstreamError('INVALID', upstream, 'redirects in a circle');
      const target = locationOf(response, upstream);
      await guard.check(current.url, target);
      current = aimedAt(target, current);
    }
  };
  return async (request) => {
    const response = await follow(request);
    const isRefusedElsewhere = response.url.origin !== request.url.origin && SIGNATURE_REFUSALS.has(response.status);
    // A HEAD is refused because the signature is for GET: a new one would not help.
    if (!isRefusedElsewhere || request.method !== 'GET') return response;
    response.discard();
    return follow(request);
  };
}

function locationOf(response: UpstreamResponse, upstream: string): URL {
  const location = headerOf(response, 'location');
  const target = location === undefined ? null : URL.parse(location, response.url.href);
  if (target) return target;
  throw new UpstreamError('INVALID', upstream, `${response.url.host} redirects to nowhere`, {
    status: response.status,
  });
}

function aimedAt(url: URL, request: UpstreamRequest): UpstreamRequest {
  if (url.origin === request.url.origin) return { ...request, url };
  const kept = Object.entries(request.headers).filter(([name]) => !PRIVATE_HEADERS.has(name));
  return { ...request, url, headers: Object.fromEntries(kept) };
}
