import { nextLinkOf } from './link-header.ts';
import type { UpstreamResponse } from './exchange.ts';
import type { RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';

export interface PageOptions {
  readonly maxPages: number;
  /** Of all pages together. */
  readonly maxBytes: number;
  /** Asks for a page whose body may have so many bytes. */
  readonly fetch: (url: URL, limitBytes: number) => Promise<UpstreamResponse>;
}

/**
 * The pages of a list, one after the other by their `Link`. An answer without a 200 body is the last one.
 * @throws UpstreamError `INVALID` for more than the bounds allow, for a circle, and for a link to another host
 */
export async function* eachPage(api: RegistryApi, first: URL, options: PageOptions): AsyncGenerator<UpstreamResponse> {
  const seen = new Set<string>();
  let left = options.maxBytes;
  for (let url: URL | undefined = first; url; ) {
    if (seen.size === options.maxPages) throw invalid(api, `a list of more than ${options.maxPages} pages`);
    seen.add(url.href);
    const page: UpstreamResponse = await options.fetch(url, left);
    yield page;
    left -= page.bytes?.length ?? 0;
    url = nextUrl(api, url, page);
    if (url && seen.has(url.href)) throw invalid(api, 'a list that goes in a circle');
  }
}

function nextUrl(api: RegistryApi, url: URL, page: UpstreamResponse): URL | undefined {
  const link = page.bytes && nextLinkOf(page.headers['link']);
  if (link === undefined) return undefined;
  const next = URL.parse(link, url.href);
  if (next?.hostname !== url.hostname) throw invalid(api, 'a link to another host');
  // Behind a proxy many a registry believes that it is at http and at a port of its own.
  return new URL(next.pathname + next.search, url);
}

function invalid({ upstream }: RegistryApi, what: string): UpstreamError {
  return new UpstreamError('INVALID', upstream, `sent ${what}`);
}
