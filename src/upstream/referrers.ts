import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { mediaTypeOf, OCI_INDEX } from '../oci/media-types.ts';
import { cacheDirectives } from './cache-control.ts';
import { headerOf, type UpstreamResponse } from './exchange.ts';
import { parseJsonObject } from './json-object.ts';
import { eachPage } from './pages.ts';
import { readStart } from './read-body.ts';
import { refusal, type RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';
import type { CallOptions } from './upstream.ts';

const UNSUPPORTED_FOR_MS = 600_000;
const MAX_REPOSITORIES = 10_000;
const MAX_PAGES = 200;
const MAX_BYTES = 4 * 1024 * 1024;
const ERROR_BYTES = 8 * 1024;
/** Errors about this one repository or subject (Quay, Harbor): they say nothing of the next. */
const ABOUT_CONTENT = /NAME_UNKNOWN|MANIFEST_|NOT_FOUND/;

/**
 * Asks for referrers (distribution-spec, "Listing Referrers"). A registry has that API if it answers 200, with the
 * index's media type and such an index; each other answer means that it has not, and that is remembered for a while.
 */
export class ReferrersClient {
  readonly #api: RegistryApi;
  readonly #unsupported: LRUCache<string, true>;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(api: RegistryApi, now: () => number) {
    this.#api = api;
    this.#unsupported = new LRUCache({
      max: MAX_REPOSITORIES,
      ttl: UNSUPPORTED_FOR_MS,
      ttlResolution: 0,
      perf: { now },
    });
  }

  /** The index as it came, or one of all pages; undefined where there is no referrers API. */
  async list(repository: string, digest: Digest, options: CallOptions): Promise<Uint8Array | undefined> {
    const { purpose, signal } = options;
    if (this.#unsupported.has(repository)) return undefined;
    const first = new URL(`v2/${repository}/referrers/${digest}`, this.#api.base);
    const fetch = (url: URL, bodyLimitBytes: number) =>
      this.#api.send({
        kind: 'referrers',
        method: 'GET',
        url,
        headers: { accept: OCI_INDEX, ...cacheDirectives(options) },
        repository,
        bodyLimitBytes,
        purpose,
        signal,
      });
    const pages: ReferrersPage[] = [];
    for await (const response of eachPage(this.#api, first, { maxPages: MAX_PAGES, maxBytes: MAX_BYTES, fetch })) {
      const page = pageOf(response);
      if (page) pages.push(page);
      else if (pages.length === 0) return await this.#withoutApi(repository, response);
      else throw new UpstreamError('INVALID', this.#api.upstream, 'sent only some pages of the referrers');
    }
    return joined(pages);
  }

  async #withoutApi(repository: string, response: UpstreamResponse): Promise<undefined> {
    const { status } = response;
    if (status === 401 || status === 403) throw refusal(response, this.#api);
    const isAboutContent = status !== 200 && ABOUT_CONTENT.test(await readStart(response, ERROR_BYTES));
    response.discard();
    if (!isAboutContent) this.#unsupported.set(repository, true);
  }
}

interface ReferrersPage {
  readonly bytes: Uint8Array;
  readonly index: Record<string, unknown> & { readonly manifests: readonly unknown[] };
}

function pageOf(response: UpstreamResponse): ReferrersPage | undefined {
  if (!response.bytes || mediaTypeOf(headerOf(response, 'content-type')) !== OCI_INDEX) return undefined;
  const index = parseJsonObject(response.bytes);
  const manifests: unknown = index?.['manifests'];
  return index && Array.isArray(manifests) ? { bytes: response.bytes, index: { ...index, manifests } } : undefined;
}

function joined(pages: readonly ReferrersPage[]): Uint8Array | undefined {
  const [first, ...others] = pages;
  if (!first || others.length === 0) return first?.bytes;
  const manifests = pages.flatMap(({ index }) => index.manifests);
  return Buffer.from(JSON.stringify({ ...first.index, manifests }));
}
