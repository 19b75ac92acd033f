import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'docker.io/library/app';
const OTHER = 'ghcr.io/owner/other';

/** What every index does (src/metadata/metadata-index.ts): blobs, listings and uses. */
export function describeBlobIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as an index of blobs,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const put = (blob: string, sizeBytes: number, repositories: readonly string[] = [APP], atMs = 1000) =>
      index.putBlob({ digest: digest(blob), sizeBytes, repositories, atMs });

    test('knows nothing of a digest that it never heard of', async () => {
      const nothing = { isStored: false, belongs: false, sizeBytes: undefined, storedAtMs: undefined };
      expect(await index.findBlob(APP, digest('b'))).toEqual(nothing);
    });

    test('finds a stored blob from every repository, and says where it belongs', async () => {
      await put('b', 5, [APP, OTHER]);
      const row = { isStored: true, belongs: true, sizeBytes: 5, storedAtMs: 1000 };
      expect(await index.findBlob(APP, digest('b'))).toEqual(row);
      expect(await index.findBlob(OTHER, digest('b'))).toEqual(row);
      expect(await index.findBlob('docker.io/library/third', digest('b'))).toEqual({ ...row, belongs: false });
    });

    test('stores a blob of nothing, and one that belongs nowhere', async () => {
      await put('empty', 0, []);
      expect(await index.findBlob('', digest('empty'))).toMatchObject({ isStored: true, sizeBytes: 0 });
      expect(await index.usage()).toMatchObject({ blobs: 1, diskBytes: 0 });
    });

    test('links a blob, stored or not, to a repository', async () => {
      await put('stored', 5, []);
      await index.linkBlob(APP, digest('stored'));
      await index.linkBlob(APP, digest('unheard'));
      await index.linkBlob(APP, digest('unheard'));
      expect(await index.findBlob(APP, digest('stored'))).toMatchObject({ isStored: true, belongs: true });
      expect(await index.findBlob(APP, digest('unheard'))).toMatchObject({ isStored: false, belongs: true });
      expect((await index.findBlob(OTHER, digest('unheard'))).belongs).toBe(false);
    });

    test('tells the size that a descriptor gave, until the store knows better', async () => {
      await index.putManifest(manifest('m', { references: [reference('layer', 'layer', 100)] }));
      expect(await index.findBlob(APP, digest('layer'))).toMatchObject({ isStored: false, sizeBytes: 100 });
      await put('layer', 120);
      expect(await index.findBlob(APP, digest('layer'))).toMatchObject({ isStored: true, sizeBytes: 120 });
    });

    test('tells a repository the size that its own descriptor gave, whatever another repository says', async () => {
      await index.putManifest(manifest('lie', { repository: OTHER, references: [reference('layer', 'layer', 7)] }));
      await index.putManifest(manifest('truth', { references: [reference('layer', 'layer', 100)] }));
      expect((await index.findBlob(APP, digest('layer'))).sizeBytes).toBe(100);
    });

    test('forgets that a removed blob is stored, and nothing else', async () => {
      await index.putManifest(manifest('m', { references: [reference('layer', 'layer', 100)] }));
      await put('layer', 100);
      await index.removeBlobs([digest('layer')]);
      await index.removeBlobs([digest('layer')]);
      await index.removeBlobs([digest('unheard')]);
      const row = { isStored: false, belongs: true, sizeBytes: 100, storedAtMs: undefined };
      expect(await index.findBlob(APP, digest('layer'))).toEqual(row);
      await put('layer', 100, [], 5000);
      expect(await index.findBlob(APP, digest('layer'))).toMatchObject({ isStored: true, storedAtMs: 5000 });
    });

    test('lists stored digests in order, batch by batch', async () => {
      const names = Array.from({ length: 30 }, (_, number) => `blob ${number}`);
      for (const [size, blob] of names.entries()) await put(blob, size);
      await index.linkBlob(APP, digest('only linked'));
      await index.putManifest(manifest('m', { references: [reference('only named')] }));
      await index.removeBlobs([digest('blob 7')]);
      const expected = [...names.filter((blob) => blob !== 'blob 7').map((blob) => digest(blob)), digest('m')].sort();
      const listed: string[] = [];
      for (let after = ''; ; after = listed.at(-1) ?? '') {
        const batch = await index.listBlobs(after, 4);
        if (batch.length === 0) break;
        listed.push(...batch.map((row) => row.digest));
      }
      expect(listed).toEqual(expected);
      expect(await index.listBlobs(expected.at(-1) ?? '', 10)).toEqual([]);
    });

    test('counts what is stored, whatever is put and removed', async () => {
      const step = fc.record({ blob: fc.integer({ min: 0, max: 5 }), isPut: fc.boolean(), seed: fc.nat(1000) });
      const model = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          for (const { blob, isPut, seed } of steps) {
            const sizeBytes = blob * 1_000_000_007;
            const name = `counted ${blob}`;
            if (!isPut) await index.removeBlobs([digest(name)]);
            else if (seed % 2 === 0) await put(name, sizeBytes, []);
            else await index.putManifest(manifest(name, { sizeBytes }));
            if (isPut) model.set(name, sizeBytes);
            else model.delete(name);
          }
          const diskBytes = [...model.values()].reduce((sum, size) => sum + Math.ceil(size / 4096) * 4096, 0);
          expect(await index.usage()).toMatchObject({ blobs: model.size, diskBytes });
        }),
        { numRuns: 25 },
      );
      expect(await (await opened.reopen()).usage()).toMatchObject({ blobs: model.size });
    });
  });

  describe(`${title}, for listings and uses,`, () => {
    test('keeps the last answer of each listing', async () => {
      await using opened = await openIndex();
      const { index } = opened;
      await index.putManifest(manifest('m'));
      const body = Buffer.from([0, 255, 10, 13]);
      const list = { repository: APP, key: 'tags', body: Buffer.from('old'), atMs: 1 };
      expect(await index.findListing(APP, 'tags')).toBe(undefined);
      expect(await index.putListing(list)).toBe(true);
      expect(await index.putListing({ ...list, body, atMs: 2 })).toBe(true);
      expect(await index.putListing({ ...list, key: 'referrers', body: new Uint8Array(), about: digest('m') })).toBe(
        true,
      );
      const found = await index.findListing(APP, 'tags');
      expect([Buffer.from(found?.body ?? []), found?.validatedAtMs]).toEqual([body, 2]);
      expect((await index.findListing(APP, 'referrers'))?.body).toHaveLength(0);
      expect(await index.findListing(OTHER, 'tags')).toBe(undefined);
    });

    test('keeps no list of a repository that holds nothing, nor about what the repository does not have', async () => {
      await using opened = await openIndex();
      const { index } = opened;
      await index.putManifest(manifest('m', { references: [reference('named', 'subject')] }));
      await index.putManifest(manifest('elsewhere', { repository: OTHER }));
      await index.putBlob({ digest: digest('loose'), sizeBytes: 1, repositories: [], atMs: 1 });
      const list = { repository: APP, key: 'list', body: Buffer.from('[]'), atMs: 1 };
      for (const about of ['named', 'elsewhere', 'loose', 'unheard']) {
        expect(await index.putListing({ ...list, about: digest(about) })).toBe(false);
      }
      expect(await index.putListing({ ...list, repository: 'quay.io/unheard' })).toBe(false);
      expect(await index.findListing(APP, 'list')).toBe(undefined);
      expect(await index.listRepositories({ limit: 10 })).toEqual([APP, OTHER]);
    });

    test('takes uses of what it knows and of what it does not know', async () => {
      await using opened = await openIndex();
      const { index } = opened;
      await index.putManifest(manifest('m'));
      index.noteUse({ repository: APP, digest: digest('m'), atMs: 5 });
      index.noteUse({ repository: OTHER, digest: digest('unheard'), atMs: 5 });
      await index.flushUses();
      await index.flushUses();
      expect((await index.findBlob(OTHER, digest('unheard'))).belongs).toBe(false);
      expect(await index.listRepositories({ limit: 10 })).toEqual([APP]);
    });

    test('can be disposed of twice', async () => {
      await using opened = await openIndex();
      await opened.index[Symbol.asyncDispose]();
      await expect(opened.index[Symbol.asyncDispose]()).resolves.toBe(undefined);
    });
  });
}
