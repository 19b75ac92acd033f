import { isTag } from '../oci/reference.ts';
import { cacheDirectives } from './cache-control.ts';
import { eachPage } from './pages.ts';
import { parseJsonObject } from './json-object.ts';
import { checkContent, refusal, type RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';
import type { CallOptions } from './upstream.ts';

/** The most that all registries take: ECR refuses more, Quay answers with 100. */
const PAGE_SIZE = 1000;
const MAX_PAGES = 1000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Answers of registries that don't know `n`; a repository that does not exist looks the same and is asked for twice. */
const UNKNOWN_PARAMETER = new Set([400, 404]);

/** All tags (distribution-spec, "Listing tags"), each once, without what is no tag; a page of nothing else is INVALID. */
export async function listTags(api: RegistryApi, repository: string, options: CallOptions): Promise<readonly string[]> {
  const all = new URL(`v2/${repository}/tags/list`, api.base);
  const paged = new URL(all);
  paged.searchParams.set('n', String(PAGE_SIZE));
  return (await gather(api, repository, paged, options)) ?? (await gather(api, repository, all, options)) ?? [];
}

/** The tags from this page on; undefined when it is refused because of `n`. */
async function gather(
  api: RegistryApi,
  repository: string,
  first: URL,
  { purpose, signal, ...options }: CallOptions,
): Promise<readonly string[] | undefined> {
  const tags = new Set<string>();
  const fetch = (url: URL, bodyLimitBytes: number) =>
    api.send({
      kind: 'tags',
      method: 'GET',
      url,
      headers: { accept: 'application/json', ...cacheDirectives(options) },
      repository,
      bodyLimitBytes,
      purpose,
      signal,
    });
  for await (const page of eachPage(api, first, { maxPages: MAX_PAGES, maxBytes: MAX_BYTES, fetch })) {
    if (!page.bytes) {
      const isPaged = first.searchParams.has('n') && tags.size === 0;
      const error = refusal(page, api);
      if (isPaged && UNKNOWN_PARAMETER.has(page.status)) return undefined;
      throw error;
    }
    checkContent(page, api.upstream);
    for (const tag of tagsOf(page.bytes, api.upstream)) tags.add(tag);
  }
  return [...tags];
}

function tagsOf(bytes: Uint8Array, upstream: string): string[] {
  const list = parseJsonObject(bytes)?.['tags'];
  // Quay and distribution write null for no tags.
  if (list === null) return [];
  if (Array.isArray(list)) {
    const tags = list.filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
    if (tags.length > 0 || list.length === 0) return tags;
  }
  throw new UpstreamError('INVALID', upstream, 'sent what is no list of tags');
}
