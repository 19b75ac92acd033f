/* oxlint-disable oxc/no-map-spread */
import type { DoomedContent, MetadataIndex, Root } from '../../../../src/metadata/metadata-index.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import type { InFlight } from './in-flight.ts';
import type { Pinned } from './pinned.ts';
import { nameOf, partsOf, UNIVERSE } from './universe.ts';
import type { UseBounds } from './use-bounds.ts';

interface JudgeOptions {
  readonly index: MetadataIndex;
  readonly inFlight: InFlight;
  readonly pinned: Pinned;
  readonly uses: UseBounds;
  readonly onViolation: (what: string) => void;
}

/** A root with all its parts, as the universe and what belongs to its repository have it. */
interface Whole extends Root {
  readonly parts: ReadonlySet<Digest>;
}

/** Manifests that others merely name. */
const NAMED = [...UNIVERSE.values()].flatMap(({ digest, refers }) =>
  refers.flatMap((one) => (one.role === 'manifest' ? [one.digest] : one.role === 'subject' ? [digest] : [])),
);

/** Looks on as roots are dropped: whether they were the right ones, and whether what others need stays. */
export class EvictionJudge {
  readonly #options: JudgeOptions;
  /** Roots that whoever evicts has been told of: nobody else asks for the oldest ones. */
  readonly #candidates = new WeakSet<object>();
  #registry: string | undefined;
  /** What was certain when they were chosen: what is pulled from then on comes too late to count. */
  #certain: ReturnType<UseBounds['certain']>;

  constructor(options: JudgeOptions) {
    this.#options = options;
    this.#certain = options.uses.certain();
  }

  /** Whoever evicts is about to ask for the oldest roots. */
  asksForOldest(): void {
    this.#certain = this.#options.uses.certain();
  }

  /** Somebody who evicts asked for the oldest roots. */
  sawOldest(query: { registry?: string }, roots: readonly Root[]): void {
    this.#registry = query.registry;
    for (const root of roots) this.#candidates.add(root);
  }

  /** @param drop does it */
  async judge(dropped: readonly Root[], drop: () => Promise<DoomedContent[]>): Promise<DoomedContent[]> {
    const all = await wholeRoots(this.#options.index);
    const isDropped = ({ repository, digest }: Root) =>
      dropped.some((one) => one.repository === repository && one.digest === digest);
    const victims = all.filter(isDropped);
    const rest = all.filter((root) => !isDropped(root));
    if (dropped.every((root) => this.#candidates.has(root))) {
      for (const victim of victims) {
        this.#judgeExemption(victim, all);
        this.#judgeOrder(victim, all, rest);
      }
    }
    const doomed = await drop();
    for (const { digest } of doomed) {
      const owner = rest.find(({ parts }) => parts.has(digest));
      if (owner)
        this.#say(`${nameOf(digest)} went, a part of ${describe(owner)}, with ${victims.map(describe).join()}`);
    }
    return doomed;
  }

  #judgeExemption(victim: Whole, all: readonly Whole[]): void {
    const { pinned, inFlight } = this.#options;
    if (pinned.has(victim)) this.#say(`evicted, and it is pinned: ${describe(victim)}`);
    for (const digest of ownParts(victim, all)) {
      const isOnlyThere = all.every((one) => one === victim || !one.parts.has(digest));
      if (isOnlyThere && inFlight.has(digest))
        this.#say(`evicted, and a part is being downloaded: ${describe(victim)}`);
    }
  }

  #judgeOrder(victim: Whole, all: readonly Whole[], rest: readonly Whole[]): void {
    const { uses, pinned, inFlight } = this.#options;
    const usedAtMs = this.#certain(victim.repository, ownParts(victim, all));
    for (const other of rest) {
      if (this.#registry !== undefined && !other.repository.startsWith(`${this.#registry}/`)) continue;
      if (pinned.mayHave(other) || other.parts.values().some((digest) => inFlight.mayHave(digest))) continue;
      const otherUsedAtMs = uses.possible(other.repository, other.parts);
      if (otherUsedAtMs >= usedAtMs) continue;
      this.#say(
        `evicted, used at ${usedAtMs}: ${describe(victim)}; stayed, last used at ${otherUsedAtMs}: ${describe(other)}`,
      );
    }
  }

  #say(what: string): void {
    this.#options.onViolation(what);
  }
}

/** All roots of real repositories, with their parts. */
export async function wholeRoots(index: MetadataIndex): Promise<Whole[]> {
  const roots = await index.listRoots({ limit: 10_000 });
  const belonging = new Set<string>();
  for (const repository of new Set(roots.map((root) => root.repository))) {
    for (const digest of NAMED) {
      if ((await index.findBlob(repository, digest)).belongs) belonging.add(`${repository}@${digest}`);
    }
  }
  return roots.map((root) => ({
    ...root,
    parts: partsOf(root, (digest) => belonging.has(`${root.repository}@${digest}`)),
  }));
}

/** Parts that no other root of the repository has: their pulls count for this one. */
function ownParts(root: Whole, all: readonly Whole[]): Digest[] {
  const others = all.filter((one) => one !== root && one.repository === root.repository);
  return [...root.parts].filter((digest) => !others.some(({ parts }) => parts.has(digest)));
}

function describe({ repository, digest, tags, usedAtMs }: Root): string {
  return `${repository} ${nameOf(digest)} [${tags.join()}] used ${usedAtMs}`;
}
