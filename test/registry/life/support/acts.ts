/* oxlint-disable typescript/switch-exhaustiveness-check */
import fc from 'fast-check';
import { OperationError } from '../../../../src/registry/operations/operation-error.ts';
import type { PurgeTarget } from '../../../../src/registry/operations/operations.ts';
import type { Life } from './life.ts';
import { PIN_PATTERNS, type PinPattern } from './pinned.ts';
import { Client, type Pull, type Trouble } from './pulling.ts';
import { IMAGES, MOVING_TAG, REGISTRIES, REPOSITORIES, type UniverseImage } from './universe.ts';
import type { World } from './world.ts';

/** What somebody does with the mirror. */
export type Act =
  | { readonly kind: 'pull'; readonly pull: Pull }
  | { readonly kind: 'pin' | 'unpin'; readonly pattern: PinPattern }
  | { readonly kind: 'purge'; readonly target: PurgeTarget; readonly dryRun: boolean }
  | { readonly kind: 'evict'; readonly toBytes: number; readonly dryRun: boolean }
  | { readonly kind: 'gc'; readonly dryRun: boolean }
  | { readonly kind: 'refresh'; readonly image: string }
  | { readonly kind: 'warm'; readonly images: readonly string[] }
  | { readonly kind: 'verify' | 'scrub' }
  | { readonly kind: 'move'; readonly image: UniverseImage };

/** Where an act takes place. */
export interface Scene {
  readonly life: Life;
  /** Undefined where tags are not moved. */
  readonly world: World | undefined;
  readonly trouble: Trouble;
}

const image = fc.constantFrom(...IMAGES);
const repository = fc.constantFrom(...REPOSITORIES);
const tagged = IMAGES.filter(({ isTagged }) => isTagged);
const names = [
  ...tagged.map((one) => `${one.repository}:${one.name}`),
  ...REPOSITORIES.map((one) => `${one}:${MOVING_TAG}`),
];
const dryRun = fc.boolean();

/** A pull of anything, mostly of whole images by their tags. */
export const anyPull: fc.Arbitrary<Act> = image
  .chain((one) =>
    fc.record({
      image: fc.constant(one),
      tag: fc.constantFrom(undefined, ...(one.isTagged ? [one.name, one.name, one.name] : []), MOVING_TAG),
      depth: fc.constantFrom<Pull['depth'][]>('image', 'image', 'image', 'image', 'blob', 'manifest', 'head'),
      part: fc.nat(3),
      leaves: fc.integer({ min: 0, max: 7 }).map((number) => number === 7),
    }),
  )
  // The moving tag is not in the repository of the large image.
  .map((pull) => ({ kind: 'pull', pull: hasMovingTag(pull) ? pull : { ...pull, tag: undefined } }));

/** Anything that may happen at the same time as anything else. */
export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 14, arbitrary: anyPull },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pin'), pattern: fc.constantFrom(...PIN_PATTERNS) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unpin'), pattern: fc.constantFrom(...PIN_PATTERNS) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('purge'), target: anyTarget(), dryRun }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('evict'), toBytes: fc.integer({ min: 0, max: 2_000_000 }), dryRun }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gc'), dryRun }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('refresh'), image: fc.constantFrom(...names, ...REPOSITORIES) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('warm'), images: fc.array(fc.constantFrom(...names), { maxLength: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('verify', 'scrub') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move'), image: movable() }) },
);

/** Does it; what comes of it is checked, and told to the life. */
export async function perform(act: Act, { life, world, trouble }: Scene): Promise<void> {
  const { operations } = life.registry;
  const signal = AbortSignal.timeout(60_000);
  const options = { signal, onProgress: () => undefined };
  switch (act.kind) {
    case 'pull':
      return new Client(life, world, trouble).pull(act.pull);
    case 'move':
      return world?.moveTag(act.image);
    case 'pin':
    case 'unpin':
      life.pinned.asked(act.pattern);
      return tolerate(trouble, () => operations[act.kind](act.pattern.text));
    case 'purge':
      return tolerate(trouble, () => operations.purge(act.target, act));
    case 'evict':
      return tolerate(trouble, () => operations.evict(act));
    case 'gc':
      return tolerate(trouble, () => operations.collectGarbage(act));
    case 'refresh':
      return tolerate(trouble, () => operations.refresh(act.image));
    case 'warm':
      return tolerate(trouble, () => operations.warm({ images: act.images, platforms: [] }, options));
    case 'verify':
      return tolerate(trouble, () => operations.verify({}, options));
    case 'scrub':
      return tolerate(trouble, () => operations.startScrub());
  }
}

/** In a few words. */
export function describeAct(act: Act): string {
  switch (act.kind) {
    case 'pull': {
      const { image: one, tag, depth, part, leaves } = act.pull;
      const by = tag === undefined ? `@${one.name}` : `:${tag}`;
      return `pull ${depth} ${one.repository}${by} ${part}${leaves ? ' and leave' : ''}`;
    }
    case 'pin':
    case 'unpin':
      return `${act.kind} ${act.pattern.text}`;
    case 'move':
      return `move ${act.image.repository} to ${act.image.name}`;
    default:
      return JSON.stringify(act);
  }
}

function hasMovingTag({ tag, image: { repository: name } }: Pull): boolean {
  return tag !== MOVING_TAG || (REPOSITORIES as readonly string[]).includes(name);
}

function anyTarget(): fc.Arbitrary<PurgeTarget> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ image: fc.constantFrom(...names) }) },
    { weight: 2, arbitrary: image.map(({ repository: name, digest }) => ({ image: `${name}@${digest}` })) },
    { weight: 1, arbitrary: fc.record({ repository }) },
    { weight: 1, arbitrary: fc.record({ upstream: fc.constantFrom(...REGISTRIES) }) },
  );
}

function movable(): fc.Arbitrary<UniverseImage> {
  return fc.constantFrom(
    ...tagged.filter(({ repository: name }) => (REPOSITORIES as readonly string[]).includes(name)),
  );
}

/** What was not there, or was not to be had, is no fault. */
async function tolerate(trouble: Trouble, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof OperationError && error.code === 'NOT_FOUND') return;
    if (trouble === 'none') throw error;
  }
}
