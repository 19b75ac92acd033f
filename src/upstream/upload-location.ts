import type { Digest } from '../oci/digest.ts';
import type { AddressGuard } from './address-guard.ts';
import { headerOf, type UpstreamResponse } from './exchange.ts';
import type { RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';

/** Where an upload goes on: the absolute URL that `Location` means. @throws UpstreamError `INVALID` */
export async function uploadLocation(
  response: UpstreamResponse,
  api: RegistryApi,
  guard: AddressGuard,
): Promise<URL | undefined> {
  const text = headerOf(response, 'location');
  if (text === undefined) return undefined;
  const location = URL.parse(text, response.url.href);
  if (location) return checkedLocation(location, api, guard);
  throw new UpstreamError('INVALID', api.upstream, `${response.url.host} sends an upload to what is no URL`, {
    status: response.status,
  });
}

/** A location that may be used. @throws UpstreamError `INVALID` */
export async function checkedLocation(location: URL, { base }: RegistryApi, guard: AddressGuard): Promise<URL> {
  const own = new URL(location);
  own.hash = '';
  // Behind a proxy that ends TLS many a registry believes that it is at http.
  if (own.hostname === base.hostname && own.protocol === 'http:' && base.protocol === 'https:') {
    own.protocol = base.protocol;
    own.port = base.port;
  }
  await guard.check(base, own);
  return own;
}

/** The location that ends an upload (distribution-spec, end-6). The parameters that it has are the registry's own. */
export function closingLocation(location: URL, digest: Digest): URL {
  const separator = location.search === '' ? '?' : '&';
  return new URL(`${location.href.replace(/\?$/, '')}${separator}digest=${encodeURIComponent(digest)}`);
}
