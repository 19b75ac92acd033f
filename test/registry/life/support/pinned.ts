import { IMAGES, LARGE_REPOSITORY, MOVING_TAG, REPOSITORIES } from './universe.ts';
import { pathOf } from './world.ts';

/** What is pinned, and how an operator writes it. */
export interface PinPattern {
  readonly text: string;
  readonly repository: string;
  /** `*`: any. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

interface PinnedRoot {
  readonly repository: string;
  readonly digest: string;
  readonly tags: readonly string[];
}

/** Patterns of all kinds; `a:v1` is at the default upstream, among its official images. */
export const PIN_PATTERNS: readonly PinPattern[] = [
  ...REPOSITORIES.flatMap((repository) => [
    tagPattern(repository, 'v1'),
    tagPattern(repository, MOVING_TAG),
    tagPattern(repository, '*'),
  ]),
  tagPattern(LARGE_REPOSITORY, 'v1'),
  ...IMAGES.filter(({ name }) => name === 'v2' || name === 'amd64').map(({ repository, digest }) => ({
    text: `${repository}@${digest}`,
    repository,
    tag: undefined,
    digest,
  })),
];

/** Which images are pinned, as far as that is certain while pins come and go. */
export class Pinned {
  readonly #certain = new Map<string, PinPattern>();
  readonly #possible = new Map<string, PinPattern>();

  /** Somebody asks for it, or for its end: until {@link reset} it may be pinned or not. */
  asked(pattern: PinPattern): void {
    this.#possible.set(pattern.text, pattern);
    this.#certain.delete(pattern.text);
  }

  /** Nobody asks for anything at the moment. @param patterns in full, as the mirror has them */
  reset(patterns: readonly string[]): void {
    for (const map of [this.#certain, this.#possible]) {
      map.clear();
      for (const pattern of PIN_PATTERNS) if (patterns.includes(inFull(pattern))) map.set(pattern.text, pattern);
    }
  }

  has(root: PinnedRoot): boolean {
    return this.#certain.values().some((pattern) => isMeant(pattern, root));
  }

  mayHave(root: PinnedRoot): boolean {
    return this.#possible.values().some((pattern) => isMeant(pattern, root));
  }
}

function tagPattern(repository: string, tag: string): PinPattern {
  const isOfficial = repository.startsWith('docker.io/library/');
  const name = isOfficial ? pathOf(pathOf(repository)) : repository;
  return { text: `${name}:${tag}`, repository, tag, digest: undefined };
}

function inFull({ repository, tag, digest }: PinPattern): string {
  return digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
}

function isMeant({ repository, tag, digest }: PinPattern, root: PinnedRoot): boolean {
  if (root.repository !== repository) return false;
  if (digest !== undefined) return root.digest === digest;
  return tag === '*' ? root.tags.length > 0 : root.tags.includes(tag ?? '');
}
