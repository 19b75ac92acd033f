import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RegistryEvent } from '../../src/metadata/event-index.ts';
import type { MetadataIndex, Root } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { IndexModel, type ModelEvent, type ModelRootRow } from './support/index-model.ts';
import { digest, manifest, reference } from './support/rows.ts';
import { manifestsOf, ODD_UNIVERSE as UNIVERSE } from './support/universe.ts';

const REPOSITORIES = ['docker.io/library/a', 'docker.io/library/b', 'ghcr.io/owner/c'];
const REGISTRIES = ['docker.io', 'ghcr.io'];
const TAGS = ['v1', 'v2', 'latest'];
const NAMES = Object.keys(UNIVERSE);
const MANIFESTS = manifestsOf(UNIVERSE);
const ALICE = { actor: 'alice' };

const repository = fc.constantFrom(...REPOSITORIES);
const name = fc.constantFrom(...NAMES);
const tag = fc.constantFrom(...TAGS);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant('putManifest'),
      repository,
      name: fc.constantFrom(...MANIFESTS),
      tags: fc.subarray(TAGS, { maxLength: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('putTag'), repository, tag, name: fc.constantFrom(...MANIFESTS) }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('dropTag'), repository, tag }) },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('pushManifest'),
      repository,
      name: fc.constantFrom(...MANIFESTS),
      tags: fc.subarray(TAGS, { maxLength: 2 }),
      isSparse: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('pushBlob'), repository, name }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('mountBlob'), repository, name, from: fc.option(repository) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('deleteTag'), repository, tag }) },
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constant('deleteManifest'), repository, name: fc.constantFrom(...MANIFESTS) }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('deleteBlob'), repository, name }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('putBlob'), repository: fc.option(repository), name }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('linkBlob'), repository, name }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('removeBlobs'), name }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('use'), repository, name, ageSteps: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('setAside'), repository, name }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('clearSetAside') }) },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('dropRoot'), repository: fc.constantFrom('', ...REPOSITORIES), name }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('evict'),
      registry: fc.option(fc.constantFrom(...REGISTRIES, '')),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('settle'), limit: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('sweep') }) },
);
type Step = {
  act: string;
  repository?: string | null;
  name?: string;
  tag?: string;
  tags?: string[];
  ageSteps?: number;
  isSparse?: boolean;
  from?: string | null;
  registry?: string | null;
  limit?: number;
};

/** `layer0` and `layer1` come loose together, and the one is above the other, as the subject of `scan`. */
const LAYER_ABOVE_A_LAYER: Step[] = [
  { act: 'putBlob', repository: 'docker.io/library/a', name: 'layer1' },
  { act: 'putManifest', repository: 'docker.io/library/a', name: 'scan', tags: [] },
  { act: 'putManifest', repository: 'docker.io/library/a', name: 'image0', tags: [] },
  { act: 'deleteManifest', repository: 'docker.io/library/a', name: 'image0' },
];

/** `scan` comes below the loose `layer1`, once by itself and once by way of `image0`, and that goes. */
const SUBJECTS_THAT_GO: Step[] = [
  ...LAYER_ABOVE_A_LAYER,
  { act: 'dropRoot', repository: 'docker.io/library/a', name: 'layer1' },
  { act: 'putManifest', repository: 'docker.io/library/b', name: 'image0', tags: [] },
  { act: 'putManifest', repository: 'docker.io/library/b', name: 'scan', tags: [] },
  { act: 'dropRoot', repository: 'docker.io/library/b', name: 'image0' },
  { act: 'dropRoot', repository: 'docker.io/library/b', name: 'scan' },
];

/** `scan`, never used, stays below `layer1` in `image0` when `image1` goes: nothing is used by that. */
const NEVER_USED: Step[] = [
  { act: 'pushManifest', repository: 'docker.io/library/a', name: 'scan', tags: ['v1'], isSparse: true },
  { act: 'putManifest', repository: 'docker.io/library/a', name: 'image1', tags: [] },
  { act: 'putManifest', repository: 'docker.io/library/a', name: 'image0', tags: ['v2'] },
  { act: 'dropRoot', repository: 'docker.io/library/a', name: 'scan' },
  { act: 'deleteManifest', repository: 'docker.io/library/a', name: 'image1' },
];

/** What every index does (src/metadata/metadata-index.ts), whatever comes in whatever order. */
export function describeIndexAgainstModel(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, against a model,`, () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['Date'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    test('has each part below a root, the roots in the order of their use, and sums that are right', {
      timeout: 60_000,
    }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array<Step>(step, { maxLength: 40, size: 'max' }), async (steps) => {
          await using opened = await openIndex();
          const model = new IndexModel(UNIVERSE);
          let told = 0;
          for (const [position, one] of steps.entries()) {
            const at = 1_000_000 + position * 1000;
            vi.setSystemTime(at);
            // No two things happen at the same moment, unless one makes the other.
            await play(
              opened.index,
              model,
              one,
              one.act === 'use' ? at - (one.ageSteps ?? 0) * 1000 - position - 1 : at,
            );
            await compare(opened.index, model);
            const events = await opened.index.readEvents(told, 100);
            told += events.length;
            expectEvents(events, model.events.splice(0));
          }
          const index = await opened.reopen();
          await compare(index, model);
          expect((await index.oldestRoots({ limit: 1000 })).map(rootRow)).toEqual(
            model.oldestRoots(undefined, 1000).map(modelRow),
          );
        }),
        { numRuns: 15, examples: [[LAYER_ABOVE_A_LAYER], [SUBJECTS_THAT_GO], [NEVER_USED]] },
      );
    });
  });
}

async function play(index: MetadataIndex, model: IndexModel, one: Step, at: number): Promise<void> {
  const where = one.repository ?? '';
  const what = one.name ?? '';
  const sizeBytes = UNIVERSE[what]?.sizeBytes ?? 0;
  switch (one.act) {
    case 'putManifest': {
      const references = (UNIVERSE[what]?.refers ?? []).map(({ role, name: referred }) => reference(referred, role));
      const tags = one.tags ?? [];
      await index.putManifest(manifest(what, { repository: where, sizeBytes, references, tags, atMs: at }));
      model.putManifest(where, what, tags, at);
      break;
    }
    case 'putTag':
      if (model.isManifestOf(where, what)) {
        await index.putTag(where, one.tag ?? '', digest(what), at);
        model.putTag(where, one.tag ?? '', what, at);
      } else {
        await expect(index.putTag(where, one.tag ?? '', digest(what), at)).rejects.toThrow('no manifest');
      }
      break;
    case 'dropTag':
      expect(await index.dropTag(where, one.tag ?? '')).toBe(model.dropTag(where, one.tag ?? ''));
      break;
    case 'pushManifest': {
      const references = (UNIVERSE[what]?.refers ?? []).map(({ role, name: referred }) => reference(referred, role));
      const tags = one.tags ?? [];
      const refers = one.isSparse ? [] : (UNIVERSE[what]?.refers ?? []);
      const required = [...new Set(refers.flatMap((each) => (each.role === 'subject' ? [] : [each.name])))];
      const record = manifest(what, { repository: where, sizeBytes, references, tags, atMs: at });
      const { missing } = await index.pushManifest(record, required.map(digest), ALICE);
      expect(missing).toEqual(model.pushManifest(where, what, { tags, required, at }).map(digest));
      break;
    }
    case 'pushBlob':
      await index.pushBlob({ repository: where, digest: digest(what), sizeBytes, atMs: at }, ALICE);
      model.pushBlob(where, what, at);
      break;
    case 'mountBlob': {
      const from = one.from ?? undefined;
      const isMounted = await index.mountBlob({ repository: where, digest: digest(what), from, atMs: at }, ALICE);
      expect(isMounted).toBe(model.mountBlob(where, what, { from, at }));
      break;
    }
    case 'deleteTag': {
      const outcome = model.dropTag(where, one.tag ?? '') ? 'deleted' : 'unknown';
      expect(await index.deleteTag(where, one.tag ?? '', ALICE)).toBe(outcome);
      break;
    }
    case 'deleteManifest': {
      const deletion = await index.deleteManifest(where, digest(what), ALICE);
      const expected = model.deleteManifest(where, what, at);
      expect(deletion?.tags).toEqual(expected?.tags);
      expect(deletion?.manifests[0]).toEqual(expected?.manifests.map(digest)[0]);
      expect(deletion?.manifests.toSorted()).toEqual(expected?.manifests.map(digest).toSorted());
      expectDoomed(deletion?.doomed ?? [], expected?.doomed ?? []);
      break;
    }
    case 'deleteBlob': {
      const deletion = await index.deleteBlob(where, digest(what));
      const expected = model.deleteBlob(where, what, at);
      expect(deletion.outcome).toBe(expected.outcome);
      expectDoomed(deletion.doomed, expected.doomed);
      break;
    }
    case 'putBlob':
      await index.putBlob({ digest: digest(what), sizeBytes, repositories: where ? [where] : [], atMs: at });
      model.putBlob(one.repository ?? undefined, what, at);
      break;
    case 'linkBlob':
      await index.linkBlob(where, digest(what));
      model.linkBlob(where, what, at);
      break;
    case 'removeBlobs':
      await index.removeBlobs([digest(what)]);
      model.removeBlob(what);
      break;
    case 'use':
      index.noteUse({ repository: where, digest: digest(what), atMs: at });
      model.use(where, what, at);
      break;
    case 'setAside':
      await index.setAside([{ repository: where, digest: digest(what) }]);
      model.setAside(where, what);
      break;
    case 'clearSetAside':
      await index.clearSetAside();
      model.clearSetAside();
      break;
    case 'dropRoot': {
      const roots = [{ repository: where, digest: digest(what) }];
      const foreseen = await index.previewDrop(roots);
      const doomed = await index.dropRoots(roots);
      expect(foreseen).toEqual(doomed);
      expectDoomed(doomed, model.dropRoot(where, what, at));
      break;
    }
    case 'evict': {
      const query = { limit: one.limit ?? 1, ...(typeof one.registry === 'string' && { registry: one.registry }) };
      const roots = await index.oldestRoots(query);
      const expected = model.oldestRoots(one.registry ?? undefined, query.limit);
      expect(roots.map(rootRow)).toEqual(expected.map(modelRow));
      expectDoomed(
        await index.dropRoots(roots),
        expected.flatMap((row) => model.dropRoot(row.repository, row.name, at)),
      );
      break;
    }
    case 'settle': {
      const doomed = (await index.listDoomed(one.limit ?? 0)).map((content) => content.digest);
      expect(doomed).toHaveLength(Math.min(one.limit ?? 0, model.doomed.size));
      await index.settleDoomed(doomed);
      for (const each of NAMES) if (doomed.includes(digest(each))) model.doomed.delete(each);
      break;
    }
    case 'sweep':
      expect(await index.sweep(1000)).toBe(model.sweep());
      break;
    default:
      throw new Error(one.act);
  }
}

function expectDoomed(doomed: readonly { digest: string; sizeBytes: number }[], names: readonly string[]): void {
  const expected = names.map((each) => ({ digest: digest(each), sizeBytes: UNIVERSE[each]?.sizeBytes ?? 0 }));
  expect(doomed).toHaveLength(expected.length);
  expect(doomed).toEqual(expect.arrayContaining(expected));
}

/** What one step has made happen; what goes with a manifest goes in no particular order. */
function expectEvents(events: readonly RegistryEvent[], expected: readonly ModelEvent[]): void {
  const row = ({ kind, repository: where, tag: to }: RegistryEvent | ModelEvent, about: string, previous?: string) =>
    JSON.stringify([kind, where, to, about, previous]);
  const rows = events.map((one) => row(one, one.digest, one.previous));
  const expectedRows = expected.map((one) => row(one, digest(one.name), one.previous && digest(one.previous)));
  expect(rows[0]).toEqual(expectedRows[0]);
  expect(rows.toSorted()).toEqual(expectedRows.toSorted());
}

async function compare(index: MetadataIndex, model: IndexModel): Promise<void> {
  for (const where of [...REPOSITORIES, '']) {
    const roots = await index.listRoots({ repository: where, limit: 100 });
    const expected = model.roots(where).toSorted((a, b) => (digest(a.name) < digest(b.name) ? -1 : 1));
    expect(roots.map(rootRow)).toEqual(expected.map(modelRow));
    for (const each of NAMES) {
      const row = await index.findBlob(where, digest(each));
      expect([each, row.belongs, row.isStored]).toEqual([each, model.belongs(where, each), model.stored.has(each)]);
      const isFound = (await index.findManifest(where, digest(each))) !== undefined;
      expect([each, isFound]).toEqual([each, model.isManifestOf(where, each) && model.stored.has(each)]);
    }
    for (const each of TAGS) {
      const target = model.tagTarget(where, each);
      const isFound = target !== undefined && model.stored.has(target);
      const row = await index.findTag(where, each);
      expect([each, row?.digest]).toEqual([each, isFound ? digest(target) : undefined]);
    }
    const tagRows = await index.listTagRows({ repository: where, limit: 10 });
    expect(tagRows).toEqual(
      model.tagRows(where).map(({ name: target, ...row }) => Object.assign(row, { digest: digest(target) })),
    );
    for (const each of NAMES) {
      const referrers = await index.listReferrers({ repository: where, subject: digest(each), limit: 10 });
      expect(referrers.map((row) => row.digest)).toEqual(model.referrers(where, each).map(digest).toSorted());
    }
    for (const root of roots) {
      const parts = [...model.partsOf(where, NAMES.find((each) => digest(each) === root.digest) ?? '')];
      const stored = parts.filter((part) => model.stored.has(part)).map((part) => digest(part));
      expect((await index.contentOf(root)).map((content) => content.digest)).toEqual(stored.toSorted());
    }
  }
  await compareSums(index, model);
}

async function compareSums(index: MetadataIndex, model: IndexModel): Promise<void> {
  for (const each of NAMES) expect([each, await index.isDoomed(digest(each))]).toEqual([each, model.doomed.has(each)]);
  const byRegistry = REGISTRIES.map((registry) => [registry, model.diskBytesOf(registry)] as const);
  expect(await index.usage()).toMatchObject({
    blobs: model.stored.size,
    diskBytes: model.diskBytes(),
    diskBytesByRegistry: new Map(byRegistry.filter(([, bytes]) => bytes > 0)),
  });
  const named = model.repositories().filter((each) => each !== '');
  expect(await index.summarize({ limit: 100 })).toMatchObject(
    named.map((each) => ({
      repository: each,
      tags: model.roots(each).flatMap((root) => root.tags).length,
      roots: model.roots(each).length,
      sizeBytes: model.storedBytesOf(each),
    })),
  );
  const all = await index.listRoots({ limit: 1000 });
  expect(all.map(rootRow)).toEqual(
    named.flatMap((each) =>
      model
        .roots(each)
        .toSorted((a, b) => (digest(a.name) < digest(b.name) ? -1 : 1))
        .map(modelRow),
    ),
  );
}

function rootRow(root: Root): unknown {
  const what = NAMES.find((each) => digest(each) === root.digest);
  return [root.repository, what, root.tags, root.isManifest, root.usedAtMs, root.sizeBytes];
}

function modelRow(row: ModelRootRow): unknown {
  return [row.repository, row.name, row.tags, row.isManifest, row.usedAt, row.sizeBytes];
}
