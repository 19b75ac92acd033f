import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'docker.io/library/app';
const ALICE = { actor: 'alice' };

const names = ['s', 'x', 'm', 'n', 'y', 'self', 'b', 'layer'];
const anyRole = fc.constantFrom('layer', 'manifest', 'subject', 'config');
/** Up to three references of each, to anything: the more circles the better. */
const universe = fc.array(
  fc.array(fc.record({ role: anyRole, name: fc.constantFrom(...names) }), { maxLength: 3, size: 'max' }),
  { minLength: names.length, maxLength: names.length },
);
const step = fc.record({
  act: fc.constantFrom(
    'putManifest',
    'putManifest',
    'putTagged',
    'pushManifest',
    'dropTag',
    'putBlob',
    'linkBlob',
    'dropRoot',
    'deleteManifest',
    'deleteManifest',
    'deleteBlob',
  ),
  position: fc.nat(names.length - 1),
});

/** `m` is below `self` only by way of `layer`, which `m` lists and has for a subject. */
const HELD_UP_BY_ITS_OWN_LAYER = [
  names.map((name) => {
    if (name === 'm') return [refer('manifest', 'layer'), refer('subject', 'layer')];
    return name === 'self' ? [refer('layer', 'layer')] : [];
  }),
  ['m', 'self'].map((name) => ({ act: 'putManifest' as const, position: names.indexOf(name) })),
] satisfies [unknown, unknown];

/** The same, and `self` is deleted: neither `m` nor `layer` has anything but the other above it then. */
const LEFT_TO_THEMSELVES = [
  HELD_UP_BY_ITS_OWN_LAYER[0],
  [...HELD_UP_BY_ITS_OWN_LAYER[1], { act: 'deleteManifest' as const, position: names.indexOf('self') }],
] satisfies [unknown, unknown];

/** `m`, and `self`, have `x` for a subject; by way of `layer` each is above the other. */
const BELOW_EACH_OTHER = [
  names.map((name) => {
    if (name === 'm') return [refer('subject', 'x')];
    if (name === 'self') return [refer('subject', 'x'), refer('layer', 'layer')];
    return name === 'layer' ? [refer('layer', 'x'), refer('subject', 'm')] : [];
  }),
  ['self', 'layer', 'm'].map((name) => ({ act: 'putManifest' as const, position: names.indexOf(name) })),
] satisfies [unknown, unknown];

/** `n`, which lists itself, is deleted while `x` lists it: its referrer `y` has nothing above it then. */
const LISTS_ITSELF = [
  names.map((name) => {
    if (name === 'x') return [refer('manifest', 'n')];
    if (name === 'n') return [refer('layer', 'n')];
    return name === 'y' ? [refer('subject', 'n')] : [];
  }),
  [
    ...['n', 'y', 'x'].map((name) => ({ act: 'putManifest' as const, position: names.indexOf(name) })),
    { act: 'deleteManifest' as const, position: names.indexOf('n') },
  ],
] satisfies [unknown, unknown];

/** What every index does (src/metadata/metadata-index.ts) when references run in circles. */
export function describeCircles(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, with references in circles,`, () => {
    test('has everything below a root, and nothing is left when all roots are dropped', {
      timeout: 60_000,
    }, async () => {
      await fc.assert(
        fc.asyncProperty(universe, fc.array(step, { maxLength: 20, size: 'max' }), async (refers, steps) => {
          await using opened = await openIndex();
          const { index } = opened;
          for (const { act, position } of steps) {
            const name = names[position] ?? '';
            const references = (refers[position] ?? []).map((one) => reference(one.name, one.role));
            const before = await whatIsThere(index);
            await play(index, act, manifest(name, { references, tags: act === 'putTagged' ? ['v1'] : [] }));
            await expectAllBelowRoots(index);
            const after = await whatIsThere(index);
            // Whatever goes, a manifest that stays loses nothing that it lists but what a client deletes.
            for (const kept of before.manifests.intersection(after.manifests)) {
              const listed = (refers[names.indexOf(kept)] ?? []).filter(({ role }) => role !== 'subject');
              const lost = listed.filter(
                (one) => one.name !== name && before.all.has(one.name) && !after.all.has(one.name),
              );
              expect([kept, lost]).toEqual([kept, []]);
            }
          }
          const stored = (await index.listBlobs('', 100)).map((blob) => blob.digest);
          const doomedBefore = (await index.listDoomed(100)).map((content) => content.digest);
          // The referrers of blobs are roots when those have gone.
          for (let round = 0; round <= names.length; round += 1) {
            await index.dropRoots(await index.listRoots({ limit: 100 }));
          }
          expect(await index.summarize({ limit: 100 })).toEqual([]);
          const doomed = (await index.listDoomed(100)).map((content) => content.digest);
          expect(doomed.toSorted()).toEqual([...stored, ...doomedBefore].toSorted());
        }),
        { numRuns: 30, examples: [HELD_UP_BY_ITS_OWN_LAYER, LEFT_TO_THEMSELVES, BELOW_EACH_OTHER, LISTS_ITSELF] },
      );
    });
  });
}

function refer<Role extends 'layer' | 'manifest' | 'subject'>(role: Role, name: string): { role: Role; name: string } {
  return { role, name };
}

async function play(index: MetadataIndex, act: string, record: ReturnType<typeof manifest>): Promise<void> {
  const root = { repository: APP, digest: record.digest };
  if (act === 'putManifest' || act === 'putTagged') await index.putManifest(record);
  else if (act === 'pushManifest') await index.pushManifest(record, [], ALICE);
  else if (act === 'deleteManifest') await expectDeleted(index, record.digest);
  else if (act === 'deleteBlob') await index.deleteBlob(APP, record.digest);
  else if (act === 'putBlob') await index.putBlob({ ...record, repositories: [APP] });
  else if (act === 'linkBlob') await index.linkBlob(APP, record.digest);
  else if (act === 'dropTag') await index.dropTag(APP, 'v1');
  else await index.dropRoots([root]);
}

async function expectDeleted(index: MetadataIndex, deleted: Digest): Promise<void> {
  const deletion = await index.deleteManifest(APP, deleted, ALICE);
  for (const gone of deletion?.manifests ?? []) expect(await index.findManifest(APP, gone)).toBe(undefined);
  const tagged = await index.findTag(APP, 'v1');
  expect(deletion?.manifests ?? []).not.toContain(tagged?.digest ?? 'no tag');
}

/** Names of what belongs to the repository, and of the manifests among that. */
async function whatIsThere(index: MetadataIndex): Promise<{ all: Set<string>; manifests: Set<string> }> {
  const [all, manifests] = [new Set<string>(), new Set<string>()];
  for (const name of names) {
    if ((await index.findBlob(APP, digest(name))).belongs) all.add(name);
    if (await index.findManifest(APP, digest(name))) manifests.add(name);
  }
  return { all, manifests };
}

async function expectAllBelowRoots(index: MetadataIndex): Promise<void> {
  const reached = new Set<string>();
  for (const root of await index.listRoots({ limit: 100 })) {
    for (const content of await index.contentOf(root)) reached.add(content.digest);
  }
  for (const name of names) {
    const { belongs, isStored } = await index.findBlob(APP, digest(name));
    if (belongs && isStored) expect([name, reached.has(digest(name))]).toEqual([name, true]);
  }
  const tagged = await index.findTag(APP, 'v1');
  const roots = (await index.listRoots({ limit: 100 })).map((root) => root.digest);
  if (tagged) expect(roots).toContain(tagged.digest);
}
