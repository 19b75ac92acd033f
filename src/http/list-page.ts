import type { PageQuery } from './distribution-path.ts';

/** A page of a sorted list, and the `Link` to the next one. */
export interface Page {
  readonly entries: readonly string[];
  readonly link: string | undefined;
}

/**
 * Cuts the page out of a list in byte order (distribution-spec, "Listing Tags"): entries after `last`, `n` of them.
 * `n=0` is an empty page without a Link.
 * @param path for the Link, which is relative to this host and repeats the other parameters
 */
export function pageOf(
  all: readonly string[],
  query: PageQuery,
  path: string,
  others: Readonly<Record<string, string>>,
): Page {
  const { after, limit } = query;
  const rest = after === undefined ? all : all.filter((entry) => entry > after);
  if (limit === undefined || rest.length <= limit) return { entries: limit === 0 ? [] : rest, link: undefined };
  const entries = rest.slice(0, limit);
  const last = entries.at(-1);
  return { entries, link: last === undefined ? undefined : nextLink(path, { ...others, n: String(limit), last }) };
}

/** A relative Link to the next page: absolute ones break behind proxies, and clients refuse other hosts. */
export function nextLink(path: string, parameters: Readonly<Record<string, string>>): string {
  return linkTo(`${path}?${new URLSearchParams(parameters).toString()}`);
}

/** RFC 8288 3.3. @param path with its query */
export function linkTo(path: string): string {
  return `<${path}>; rel="next"`;
}
