import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MetadataError } from '../../src/metadata/metadata-error.ts';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { digest, manifest, reference } from './support/rows.ts';

/** An index that a suite works on. */
export interface IndexUnderTest extends AsyncDisposable {
  /** The one that is open now. */
  readonly index: MetadataIndex;
  /** Closes it and opens it again, as a restart does. */
  reopen(): Promise<MetadataIndex>;
}

const APP = 'docker.io/library/app';
const OTHER = 'ghcr.io/owner/other';

/** What every index does (src/metadata/metadata-index.ts): manifests and tags. */
export function describeManifestIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as an index of manifests,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    test('knows nothing at first', async () => {
      expect(await index.findTag(APP, 'v1')).toBe(undefined);
      expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
      expect(await index.listTags(APP)).toEqual([]);
      expect(await index.listRepositories({ limit: 10 })).toEqual([]);
    });

    test('finds a manifest by tag and by digest in its repository, and only there', async () => {
      await index.putManifest(manifest('m', { tags: ['v1', 'latest'], atMs: 5000 }));
      const row = { digest: digest('m'), mediaType: manifest('m').mediaType, sizeBytes: 1000, storedAtMs: 5000 };
      expect(await index.findManifest(APP, digest('m'))).toEqual(row);
      expect(await index.findTag(APP, 'v1')).toEqual({ ...row, validatedAtMs: 5000 });
      expect(await index.findTag(APP, 'latest')).toEqual({ ...row, validatedAtMs: 5000 });
      expect(await index.findTag(APP, 'V1')).toBe(undefined);
      expect(await index.findTag(OTHER, 'v1')).toBe(undefined);
      expect(await index.findManifest(OTHER, digest('m'))).toBe(undefined);
    });

    test('makes a manifest and its blobs part of the repository, but not what it merely names: children and a subject', async () => {
      const references = [
        reference('config', 'config', 10),
        reference('layer', 'layer', 20),
        reference('child', 'manifest', 30),
        reference('subject', 'subject', 40),
      ];
      await index.putManifest(manifest('m', { references }));
      const belongs = async (name: string) => (await index.findBlob(APP, digest(name))).belongs;
      expect(await Promise.all(['m', 'config', 'layer', 'child', 'subject'].map(belongs))).toEqual([
        true,
        true,
        true,
        false,
        false,
      ]);
      expect((await index.findBlob(OTHER, digest('layer'))).belongs).toBe(false);
    });

    test('takes a subject that is a layer too, in whatever order they come, as part of the repository', async () => {
      const both = [reference('x', 'subject'), reference('x', 'layer')];
      await index.putManifest(manifest('one', { references: both }));
      await index.putManifest(manifest('two', { repository: OTHER, references: both.toReversed() }));
      expect((await index.findBlob(APP, digest('x'))).belongs).toBe(true);
      expect((await index.findBlob(OTHER, digest('x'))).belongs).toBe(true);
    });

    test('takes a manifest that names the same layer many times, and itself a second time', async () => {
      const record = manifest('m', { references: Array.from({ length: 5 }, () => reference('layer')), tags: ['v1'] });
      await index.putManifest(record);
      await index.putManifest({ ...record, tags: ['v2'], atMs: record.atMs + 1 });
      expect(await index.listTags(APP)).toEqual(['v1', 'v2']);
      expect(await index.usage()).toMatchObject({ blobs: 1, diskBytes: 4096 });
    });

    test('makes a child of an index a manifest of the repository once its bytes come', async () => {
      await index.putManifest(manifest('index', { references: [reference('child', 'manifest')], tags: ['v1'] }));
      expect(await index.findManifest(APP, digest('child'))).toBe(undefined);
      await index.putManifest(manifest('child', { sizeBytes: 77 }));
      expect(await index.findManifest(APP, digest('child'))).toMatchObject({ sizeBytes: 77 });
    });

    test('keeps the same manifest in two repositories', async () => {
      await index.putManifest(manifest('m', { tags: ['v1'] }));
      await index.putManifest(manifest('m', { repository: OTHER, tags: ['v2'] }));
      expect(await index.findTag(OTHER, 'v2')).toMatchObject({ digest: digest('m') });
      expect(await index.findTag(OTHER, 'v1')).toBe(undefined);
      expect(await index.usage()).toMatchObject({ blobs: 1 });
    });

    test('moves a tag, and confirms it', async () => {
      await index.putManifest(manifest('old', { tags: ['v1'], atMs: 1000 }));
      await index.putManifest(manifest('new', { tags: ['v1'], atMs: 2000 }));
      expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('new'), validatedAtMs: 2000 });
      await index.putTag(APP, 'v1', digest('new'), 3000);
      expect(await index.findTag(APP, 'v1')).toMatchObject({ validatedAtMs: 3000, storedAtMs: 2000 });
      await index.putTag(APP, 'v1', digest('old'), 4000);
      expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('old'), validatedAtMs: 4000 });
      expect(await index.listTags(APP)).toEqual(['v1']);
      expect(await index.findManifest(APP, digest('new'))).toBeDefined();
    });

    test('takes over what an older index knew of a manifest: its tags, unconfirmed, and what of it belonged', async () => {
      const former = { linked: new Set([digest('linked')]), tags: [{ tag: 'v1', movedAtMs: 1000 }] };
      const references = [reference('linked'), reference('other'), reference('config', 'config')];
      await index.putManifest(manifest('m', { references, atMs: 5000, former }));
      expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('m'), validatedAtMs: 0 });
      expect(await index.listTagRows({ repository: APP, limit: 9 })).toMatchObject([{ tag: 'v1', movedAtMs: 1000 }]);
      const belongs = async (name: string) => (await index.findBlob(APP, digest(name))).belongs;
      expect(await Promise.all(['linked', 'other', 'config'].map(belongs))).toEqual([true, false, false]);
      await index.putTag(APP, 'v1', digest('m'), 6000);
      expect(await index.findTag(APP, 'v1')).toMatchObject({ validatedAtMs: 6000 });
      expect(await index.listTagRows({ repository: APP, limit: 9 })).toMatchObject([{ movedAtMs: 1000 }]);
    });

    test('points no tag at what it never heard of, and leaves it where it was', async () => {
      await index.putManifest(manifest('m', { tags: ['v1'] }));
      await expect(index.putTag(APP, 'v1', digest('unheard'), 5)).rejects.toMatchObject({ code: 'NO_MANIFEST' });
      expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('m') });
    });

    test('points no tag at a blob that is no manifest', async () => {
      await index.putBlob({ digest: digest('b'), sizeBytes: 1, repositories: [APP], atMs: 1 });
      await expect(index.putTag(APP, 'v1', digest('b'), 5)).rejects.toMatchObject({ code: 'NO_MANIFEST' });
      expect(await index.listTags(APP)).toEqual([]);
    });

    test('stores all of a manifest or nothing of it', async () => {
      const broken = { ...reference('late'), role: null as unknown as 'layer' };
      const record = manifest('m', { references: [reference('early'), broken], tags: ['v1'] });
      await expect(index.putManifest(record)).rejects.toBeInstanceOf(MetadataError);
      expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
      expect(await index.findBlob(APP, digest('m'))).toMatchObject({ isStored: false, belongs: false });
      expect(await index.findBlob(APP, digest('early'))).toMatchObject({ belongs: false, sizeBytes: undefined });
      expect(await index.usage()).toMatchObject({ blobs: 0, diskBytes: 0 });
      expect(await index.listRepositories({ limit: 10 })).toEqual([]);
      await index.putManifest(manifest('m', { references: [reference('early')], tags: ['v1'] }));
      expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('m') });
    });

    test('lets the tags of a manifest disappear with its bytes, and come back with them', async () => {
      const record = manifest('m', { references: [reference('layer')], tags: ['v1'], atMs: 1000 });
      await index.putManifest(record);
      await index.removeBlobs([digest('m')]);
      expect(await index.findTag(APP, 'v1')).toBe(undefined);
      expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
      expect((await index.findBlob(APP, digest('layer'))).belongs).toBe(true);
      await index.putManifest({ ...record, tags: [], atMs: 9000 });
      expect(await index.findTag(APP, 'v1')).toMatchObject({ storedAtMs: 9000, validatedAtMs: 1000 });
    });

    test('lists tags in byte order', async () => {
      const tags = ['v10', 'v1', 'V1', '_x', 'a.b', 'a-b', 'latest', '1', '10', '2'];
      await index.putManifest(manifest('m', { tags }));
      await index.putManifest(manifest('n', { repository: OTHER, tags: ['elsewhere'] }));
      expect(await index.listTags(APP)).toEqual(tags.toSorted());
    });

    test('lists repositories in byte order, page by page, below a prefix', async () => {
      const names = ['docker.io/library/b', 'docker.io/library/a-b', 'docker.io/library/a', 'ghcr.io/x', 'docker_io/y'];
      for (const repository of names) await index.putManifest(manifest('m', { repository }));
      await index.putBlob({ digest: digest('b'), sizeBytes: 1, repositories: ['quay.io/only/blobs'], atMs: 1 });
      const sorted = names.toSorted();
      expect(await index.listRepositories({ limit: 100 })).toEqual(sorted);
      expect(await index.listRepositories({ limit: 2 })).toEqual(sorted.slice(0, 2));
      expect(await index.listRepositories({ limit: 2, after: sorted[1] ?? '' })).toEqual(sorted.slice(2, 4));
      expect(await index.listRepositories({ limit: 9, after: 'docker.io/library/a' })).toEqual(sorted.slice(1));
      expect(await index.listRepositories({ limit: 9, prefix: 'docker.io/' })).toEqual(sorted.slice(0, 3));
      expect(await index.listRepositories({ limit: 9, prefix: 'docker%' })).toEqual([]);
      expect(await index.listRepositories({ limit: 0 })).toEqual([]);
    });

    test('keeps everything when it is opened again', async () => {
      const long = digestOf(Buffer.from('x'), 'sha512');
      await index.putManifest(manifest('m', { tags: ['v1'], references: [reference('layer')] }));
      await index.putManifest(manifest('m', { digest: long, tags: ['long'] }));
      await index.putListing({ repository: APP, key: 'tags', body: Buffer.from('[]'), atMs: 7 });
      const again = await opened.reopen();
      expect(await again.findTag(APP, 'v1')).toMatchObject({ digest: digest('m') });
      expect(await again.findTag(APP, 'long')).toMatchObject({ digest: long });
      expect(await again.findBlob(APP, digest('layer'))).toMatchObject({ belongs: true, sizeBytes: 100 });
      expect(await again.findListing(APP, 'tags')).toMatchObject({ validatedAtMs: 7 });
    });

    test('tells at once what was written, however often it was asked before', async () => {
      const name = fc.constantFrom('m0', 'm1', 'm2');
      const tag = fc.constantFrom('v0', 'v1');
      const repository = fc.constantFrom(APP, OTHER);
      const step = fc.record({
        act: fc.constantFrom('put', 'tag', 'remove'),
        name,
        tag,
        repository,
        atMs: fc.nat(1e6),
      });
      const tags = new Map<string, { name: string; atMs: number }>();
      const stored = new Map<string, number>();
      const belongs = new Set<string>();
      const play = async (one: { act: string; name: string; tag: string; repository: string; atMs: number }) => {
        if (one.act === 'remove') {
          stored.delete(one.name);
          await index.removeBlobs([digest(one.name)]);
        } else if (one.act === 'put') {
          await index.putManifest(manifest(one.name, { repository: one.repository, tags: [one.tag], atMs: one.atMs }));
          if (!stored.has(one.name)) stored.set(one.name, one.atMs);
          belongs.add(one.repository + one.name);
        } else if (belongs.has(one.repository + one.name)) {
          await index.putTag(one.repository, one.tag, digest(one.name), one.atMs);
        } else return;
        if (one.act !== 'remove') tags.set(one.repository + one.tag, { name: one.name, atMs: one.atMs });
      };
      const compare = async () => {
        for (const where of [APP, OTHER]) {
          for (const each of ['v0', 'v1']) {
            const known = tags.get(where + each);
            const storedAtMs = known && stored.get(known.name);
            const expected =
              known && storedAtMs !== undefined
                ? expect.objectContaining({ digest: digest(known.name), validatedAtMs: known.atMs, storedAtMs })
                : undefined;
            expect(await index.findTag(where, each)).toEqual(expected);
          }
          for (const each of ['m0', 'm1', 'm2']) {
            const isThere = stored.has(each) && belongs.has(where + each);
            expect((await index.findManifest(where, digest(each))) !== undefined).toBe(isThere);
          }
        }
      };
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
          for (const one of steps) {
            await play(one);
            await compare();
          }
        }),
        { numRuns: 30 },
      );
    });

    test('takes a manifest with 20,000 references', async () => {
      const references = Array.from({ length: 20_000 }, (_, number) => reference(`layer ${number}`));
      await index.putManifest(manifest('m', { references }));
      expect((await index.findBlob(APP, digest('layer 19999'))).belongs).toBe(true);
    });
  });
}
