/** Does a text match? */
export type Matches = (text: string) => boolean;

/**
 * A pattern of names: `*` stands for any run of characters but `/`, `**` for any run at all; a leading `**` followed by
 * a slash also matches nothing. Everything else stands for itself.
 */
export function compileGlob(pattern: string): Matches {
  const source = pattern.replaceAll(/\*\*\/|\/\*\*|\*\*|\*|[.+?^${}()|[\]\\]/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '/**') return '/.*';
    if (part === '**') return '.*';
    return part === '*' ? '[^/]*' : `\\${part}`;
  });
  const expression = new RegExp(`^${source}$`);
  return (text) => expression.test(text);
}

/** Matches what any of the patterns matches; without patterns, nothing. */
export function compileGlobs(patterns: readonly string[]): Matches {
  const compiled = patterns.map(compileGlob);
  return (text) => compiled.some((matches) => matches(text));
}

/**
 * A pattern of images as pins have it: a pattern of repositories in full, `:` and a pattern of tags or `@` and a digest
 * behind it. Without one of these it means all that is in the repository.
 */
export function compileImageGlob(pattern: string): (repository: string, reference: ImageReference) => boolean {
  const at = pattern.indexOf('@');
  const colon = at === -1 ? pattern.indexOf(':', pattern.lastIndexOf('/') + 1) : -1;
  const end = at === -1 ? colon : at;
  const isRepository = compileGlob(end === -1 ? pattern : pattern.slice(0, end));
  if (end === -1) return (repository) => isRepository(repository);
  const isWanted = compileGlob(pattern.slice(end + 1));
  return (repository, { tags, digest }) =>
    isRepository(repository) && (at === -1 ? tags.some(isWanted) : isWanted(digest));
}

/** What an image pattern looks at. */
export interface ImageReference {
  readonly tags: readonly string[];
  readonly digest: string;
}
