/** Does a text match? */
export type Matches = (text: string) => boolean;

/** A step of a compiled pattern: one character that stands for itself, or a run of any, with or without slashes. */
type Step =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'part' | 'any' }
  /** Goes on behind the two steps that follow, or with them. */
  | { readonly kind: 'maybe' };

/**
 * A pattern of names: `*` stands for any run of characters but `/`, `**` for any run at all; a `**` that is a part of its
 * own followed by a slash also matches nothing. Everything else stands for itself. Matching takes time in proportion to
 * the lengths of both, whatever the pattern: names come from clients.
 */
export function compileGlob(pattern: string): Matches {
  const firstStar = pattern.indexOf('*');
  // What is asked for each request, and what most patterns are.
  if (firstStar === -1) return (text) => text === pattern;
  const prefix = pattern.slice(0, firstStar);
  if (pattern.slice(firstStar) === '**') return (text) => text.startsWith(prefix);
  const steps = stepsOf(pattern);
  return (text) => {
    let reached = close(new Set([0]), steps);
    for (const character of text) {
      const next = new Set<number>();
      for (const position of reached) {
        const step = steps[position];
        if (step?.kind === 'character' && step.character === character) next.add(position + 1);
        if (step?.kind === 'any' || (step?.kind === 'part' && character !== '/')) next.add(position);
      }
      if (next.size === 0) return false;
      reached = close(next, steps);
    }
    return reached.has(steps.length);
  };
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

function stepsOf(pattern: string): Step[] {
  const steps: Step[] = [];
  for (const [part] of pattern.matchAll(/(?<=^|\/)\*\*\/|\*\*|\*|[\s\S]/gu)) {
    if (part === '**/') {
      steps.push({ kind: 'maybe' }, { kind: 'any' }, { kind: 'character', character: '/' });
    } else if (part === '**') steps.push({ kind: 'any' });
    else if (part === '*') steps.push({ kind: 'part' });
    else steps.push({ kind: 'character', character: part });
  }
  return steps;
}

/** Adds what can be reached without a character: runs may be empty. */
function close(reached: Set<number>, steps: readonly Step[]): Set<number> {
  // A set is walked in the order in which things were added, those that are added meanwhile included.
  for (const position of reached) {
    const step = steps[position];
    if (step !== undefined && step.kind !== 'character') reached.add(position + 1);
    if (step?.kind === 'maybe') reached.add(position + 3);
  }
  return reached;
}
