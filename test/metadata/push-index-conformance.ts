import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'local/app';
const OTHER = 'local/other';
const ALICE = { actor: 'alice' };
/** Nothing was missing. */
const TAKEN = { missing: [], kept: [] };

/** What every index does (src/metadata/metadata-index.ts): pushes of clients, and what they delete. */
export function describePushIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as an index of what clients push,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const pushed = (name: string, changes: Parameters<typeof manifest>[1] = {}) =>
      manifest(name, { repository: APP, ...changes });
    const push = async (name: string, changes: Parameters<typeof manifest>[1] = {}) => {
      expect(await index.pushManifest(pushed(name, changes), [], ALICE)).toEqual(TAKEN);
    };
    const pushBlob = (name: string, changes: { repository?: string; atMs?: number } = {}) =>
      index.pushBlob({ repository: APP, digest: digest(name), sizeBytes: 100, atMs: 1000, ...changes }, ALICE);
    const remove = (name: string, repository = APP) => index.deleteManifest(repository, digest(name), ALICE);
    const belongs = async (name: string, repository = APP) => (await index.findBlob(repository, digest(name))).belongs;
    const rootsOf = async (repository = APP) =>
      new Map((await index.listRoots({ repository, limit: 100 })).map((root) => [root.digest, root]));
    const doomed = (...names: string[]) => names.map((name) => expect.objectContaining({ digest: digest(name) }));

    describe('a manifest', () => {
      test('is pushed when all that it requires is there', async () => {
        await pushBlob('config');
        await pushBlob('layer');
        const record = pushed('m', { references: [reference('config', 'config'), reference('layer')], tags: ['v1'] });
        expect(await index.pushManifest(record, [digest('config'), digest('layer')], ALICE)).toEqual(TAKEN);
        expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('m') });
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('m'), tags: ['v1'], sizeBytes: 1200 }]);
      });

      test('that requires what is not there changes nothing, and tells what is missing', async () => {
        await pushBlob('here');
        await pushBlob('elsewhere', { repository: OTHER });
        await index.linkBlob(APP, digest('not stored'));
        const names = ['here', 'elsewhere', 'not stored', 'unheard', 'unheard'];
        const record = pushed('m', { references: names.map((name) => reference(name)), tags: ['v1'] });
        const last = await index.lastEvent();
        const missing = ['elsewhere', 'not stored', 'unheard'].map(digest);
        expect(await index.pushManifest(record, names.map(digest), ALICE)).toEqual({ missing, kept: [] });
        expect(await index.pushManifest({ ...record, repository: 'local/new' }, [digest('here')], ALICE)).toEqual({
          missing: [digest('here')],
          kept: [],
        });
        expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
        expect(await index.listTags(APP)).toEqual([]);
        expect(await index.usage()).toMatchObject({ blobs: 2 });
        expect((await index.summarize({ limit: 9 })).map(({ repository }) => repository)).toEqual([APP, OTHER]);
        expect(await index.lastEvent()).toBe(last);
      });

      test('that requires a child has to have it as a manifest', async () => {
        await pushBlob('child');
        const record = pushed('index', { references: [reference('child', 'manifest')] });
        expect(await index.pushManifest(record, [digest('child')], ALICE)).toEqual({
          missing: [digest('child')],
          kept: [],
        });
        await push('child');
        expect(await index.pushManifest(record, [digest('child')], ALICE)).toEqual(TAKEN);
        expect([...(await rootsOf()).keys()]).toEqual([digest('index')]);
      });

      test('does not open what it merely names, be it here already or later', async () => {
        await pushBlob('secret', { repository: OTHER });
        await push('m', { references: [reference('secret'), reference('later')], tags: ['v1'] });
        await pushBlob('later', { repository: OTHER });
        expect(await belongs('secret')).toBe(false);
        expect(await belongs('later')).toBe(false);
        await pushBlob('later');
        expect(await belongs('later')).toBe(true);
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('m'), sizeBytes: 1100 }]);
      });

      test('is pushed again: its tags move, and it counts as used then', async () => {
        await push('m', { tags: ['v1'], atMs: 1000 });
        await push('n', { tags: ['v2'], atMs: 2000 });
        await push('m', { tags: ['v1', 'v2'], atMs: 3000 });
        const roots = await rootsOf();
        expect(roots.get(digest('m'))).toMatchObject({ tags: ['v1', 'v2'], usedAtMs: 3000 });
        expect(roots.get(digest('n'))).toMatchObject({ tags: [], usedAtMs: 2000 });
      });

      test('takes the place of one that was to leave the store', async () => {
        await push('m');
        expect(await remove('m')).toMatchObject({ doomed: doomed('m') });
        expect(await index.isDoomed(digest('m'))).toBe(true);
        await push('m');
        expect(await index.isDoomed(digest('m'))).toBe(false);
      });

      test('and a blob belong to a repository', async () => {
        const failed = expect.objectContaining({ code: 'INDEX_FAILED' });
        await expect(index.pushManifest(pushed('m', { repository: '' }), [], ALICE)).rejects.toEqual(failed);
        await expect(pushBlob('b', { repository: '' })).rejects.toEqual(failed);
        await expect(
          index.mountBlob({ repository: '', digest: digest('b'), from: undefined, atMs: 1 }, ALICE),
        ).rejects.toEqual(failed);
        expect(await index.usage()).toMatchObject({ blobs: 0 });
      });
    });

    describe('a blob', () => {
      test('is pushed and stands by itself until a manifest comes', async () => {
        await pushBlob('b', { atMs: 1000 });
        expect(await index.findBlob(APP, digest('b'))).toMatchObject({ isStored: true, belongs: true, sizeBytes: 100 });
        expect((await rootsOf()).get(digest('b'))).toMatchObject({ isManifest: false, usedAtMs: 1000 });
        await push('m', { references: [reference('b')] });
        expect([...(await rootsOf()).keys()]).toEqual([digest('m')]);
      });

      test('that is pushed or mounted again counts as used then: its manifest is about to come', async () => {
        await pushBlob('b', { atMs: 1000 });
        await pushBlob('b', { atMs: 2000 });
        expect((await rootsOf()).get(digest('b'))).toMatchObject({ usedAtMs: 2000 });
        await index.mountBlob({ repository: APP, digest: digest('b'), from: APP, atMs: 3000 }, ALICE);
        expect((await rootsOf()).get(digest('b'))).toMatchObject({ usedAtMs: 3000 });
      });

      test('is mounted from a repository that has it, or from any', async () => {
        await pushBlob('b', { repository: OTHER });
        const mount = (repository: string, from: string | undefined, name = 'b') =>
          index.mountBlob({ repository, digest: digest(name), from, atMs: 2000 }, ALICE);
        expect(await mount(APP, 'local/third')).toBe(false);
        expect(await mount(APP, OTHER, 'unheard')).toBe(false);
        expect(await mount(APP, undefined, 'unheard')).toBe(false);
        expect(await index.summarize({ limit: 9 })).toHaveLength(1);
        expect(await mount(APP, OTHER)).toBe(true);
        expect(await mount('local/third', undefined)).toBe(true);
        expect(await belongs('b')).toBe(true);
        expect(await belongs('b', 'local/third')).toBe(true);
        expect(await index.usage()).toMatchObject({ blobs: 1, diskBytes: 4096 });
      });

      test('is not mounted when its bytes are gone, and is part of no nameless repository once it is', async () => {
        await pushBlob('lost', { repository: OTHER });
        await index.removeBlobs([digest('lost')]);
        const mount = (name: string, from?: string) =>
          index.mountBlob({ repository: APP, digest: digest(name), from, atMs: 2000 }, ALICE);
        expect(await mount('lost', OTHER)).toBe(false);
        expect(await mount('lost')).toBe(false);
        await index.putBlob({ digest: digest('nameless'), sizeBytes: 1, repositories: [], atMs: 1 });
        expect(await mount('nameless')).toBe(true);
        expect(await index.listRoots({ repository: '', limit: 9 })).toEqual([]);
      });
    });

    describe('deleting a tag', () => {
      test('leaves what it pointed at', async () => {
        await push('m', { tags: ['v1', 'v2'] });
        expect(await index.findTag(APP, 'v1')).toBeDefined();
        expect(await index.deleteTag(APP, 'v1', ALICE)).toBe('deleted');
        expect(await index.findTag(APP, 'v1')).toBe(undefined);
        expect(await index.listTags(APP)).toEqual(['v2']);
        expect(await index.deleteTag(APP, 'v2', ALICE)).toBe('deleted');
        expect((await rootsOf()).get(digest('m'))).toMatchObject({ tags: [] });
        expect(await index.deleteTag(APP, 'v1', ALICE)).toBe('unknown');
        expect(await index.deleteTag('local/unheard', 'v1', ALICE)).toBe('unknown');
      });
    });

    describe('deleting a manifest', () => {
      test('takes its tags with it, at once, and leaves its blobs by themselves as if used now', async () => {
        await pushBlob('config');
        await pushBlob('layer');
        const references = [reference('config', 'config'), reference('layer')];
        await push('m', { references, tags: ['v2', 'v1'] });
        for (const tag of ['v1', 'v2']) expect(await index.findTag(APP, tag)).toBeDefined();
        expect(await index.findManifest(APP, digest('m'))).toBeDefined();
        const before = Date.now();
        expect(await remove('m')).toEqual({
          tags: ['v1', 'v2'],
          manifests: [digest('m')],
          doomed: [{ digest: digest('m'), sizeBytes: 1000 }],
        });
        for (const tag of ['v1', 'v2']) expect(await index.findTag(APP, tag)).toBe(undefined);
        expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
        expect(await index.listTags(APP)).toEqual([]);
        expect(await belongs('m')).toBe(false);
        const roots = await rootsOf();
        expect([...roots.keys()].toSorted()).toEqual([digest('config'), digest('layer')].toSorted());
        for (const root of roots.values()) {
          expect(root.isManifest).toBe(false);
          expect(root.usedAtMs).toBeGreaterThanOrEqual(before);
        }
        expect(await remove('m')).toBe(undefined);
      });

      test('that is not there does nothing', async () => {
        await pushBlob('b');
        await push('m', { repository: OTHER });
        expect(await remove('b')).toBe(undefined);
        expect(await remove('m')).toBe(undefined);
        expect(await remove('unheard')).toBe(undefined);
        expect(await remove('m', 'local/unheard')).toBe(undefined);
        expect(await belongs('b')).toBe(true);
        expect(await index.findManifest(OTHER, digest('m'))).toBeDefined();
      });

      test('whose bytes are lost is possible', async () => {
        await push('m', { tags: ['v1'] });
        await index.removeBlobs([digest('m')]);
        expect(await remove('m')).toMatchObject({ tags: ['v1'], doomed: [] });
        expect(await index.summarize({ limit: 9 })).toEqual([]);
      });

      test('dooms nothing that another repository has', async () => {
        await pushBlob('layer');
        await pushBlob('layer', { repository: OTHER });
        for (const repository of [APP, OTHER]) {
          await push('m', { repository, references: [reference('layer')], tags: ['v1'] });
        }
        expect(await remove('m')).toMatchObject({ doomed: [] });
        expect(await index.findTag(OTHER, 'v1')).toBeDefined();
        expect(await remove('m', OTHER)).toMatchObject({ doomed: doomed('m') });
        expect(await index.listDoomed(9)).toEqual([{ digest: digest('m'), sizeBytes: 1000 }]);
        expect((await rootsOf(OTHER)).get(digest('layer'))).toBeDefined();
      });

      test('leaves blobs where they are needed', async () => {
        await pushBlob('shared');
        await push('m', { references: [reference('shared')] });
        await push('n', { references: [reference('shared')] });
        await remove('m');
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('n'), sizeBytes: 1100 }]);
      });

      test('goes though an index lists it, which stays as it is', async () => {
        await pushBlob('layer');
        await push('child', { references: [reference('layer')] });
        await push('index', { references: [reference('child', 'manifest')], tags: ['v1'] });
        expect(await remove('child')).toMatchObject({ manifests: [digest('child')], doomed: doomed('child') });
        expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('index') });
        expect([...(await rootsOf()).keys()].toSorted()).toEqual([digest('index'), digest('layer')].toSorted());
        await push('child', { references: [reference('layer')] });
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('index'), sizeBytes: 2100 }]);
      });

      test('of an index takes what only that listed, down to the last, but no tagged one', async () => {
        const child = (...names: string[]) => names.map((name) => reference(name, 'manifest'));
        await pushBlob('layer');
        await push('deep', { references: [reference('layer')] });
        await push('middle', { references: child('deep') });
        await push('tagged', { tags: ['stays'] });
        await push('shared');
        await push('index', { references: child('middle', 'tagged', 'shared', 'not here'), tags: ['v1'] });
        await push('another', { references: child('shared') });
        const deletion = await remove('index');
        expect(deletion?.manifests[0]).toBe(digest('index'));
        expect(deletion?.manifests.toSorted()).toEqual(['index', 'middle', 'deep'].map(digest).toSorted());
        expect([...(await rootsOf()).keys()].toSorted()).toEqual(['tagged', 'another', 'layer'].map(digest).toSorted());
        expect(await index.findManifest(APP, digest('shared'))).toBeDefined();
        expect(await index.findManifest(APP, digest('deep'))).toBe(undefined);
      });

      test('takes untagged referrers, and theirs, unless something else has them', async () => {
        const about = (name: string) => reference(name, 'subject');
        await push('m', { tags: ['v1'] });
        await push('signature', { references: [about('m')] });
        await push('timestamp', { references: [about('signature')] });
        await push('tagged', { references: [about('m')], tags: ['sbom'] });
        await push('listed', { references: [about('m')] });
        await push('bundle', { references: [reference('listed', 'manifest')] });
        const deletion = await remove('m');
        expect(deletion?.manifests.toSorted()).toEqual(['m', 'signature', 'timestamp'].map(digest).toSorted());
        expect(deletion?.doomed).toHaveLength(3);
        expect([...(await rootsOf()).keys()].toSorted()).toEqual(['tagged', 'bundle'].map(digest).toSorted());
        expect(await index.findManifest(APP, digest('listed'))).toBeDefined();
      });

      test('that refers to a subject leaves that', async () => {
        await push('m');
        await push('signature', { references: [reference('m', 'subject')] });
        expect(await remove('signature')).toMatchObject({ manifests: [digest('signature')] });
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('m'), sizeBytes: 1000 }]);
      });

      test('that another one has for a layer leaves its bytes, as a blob', async () => {
        await pushBlob('layer');
        await push('m', { references: [reference('layer')], tags: ['v1'] });
        await push('wrapper', { references: [reference('m')] });
        expect(await remove('m')).toMatchObject({ manifests: [digest('m')], doomed: [] });
        expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
        expect(await index.findTag(APP, 'v1')).toBe(undefined);
        expect(await index.findBlob(APP, digest('m'))).toMatchObject({ isStored: true, belongs: true });
        expect(await remove('wrapper')).toMatchObject({ manifests: [digest('wrapper')] });
        expect((await rootsOf()).get(digest('m'))).toMatchObject({ isManifest: false });
      });

      test('forgets lists about it, and a repository that holds nothing more', async () => {
        await push('m', { tags: ['v1'] });
        const key = `referrers ${digest('m')}`;
        await index.putListing({ repository: APP, key, about: digest('m'), body: Buffer.from('[]'), atMs: 1 });
        await index.putListing({ repository: APP, key: 'tags', body: Buffer.from('[]'), atMs: 1 });
        await remove('m');
        expect(await index.findListing(APP, key)).toBe(undefined);
        expect(await index.findListing(APP, 'tags')).toBe(undefined);
        expect(await index.listRepositories({ limit: 9 })).toEqual([]);
        expect(await index.summarize({ limit: 9 })).toEqual([]);
      });
    });

    describe('deleting a blob', () => {
      test('takes one that stands by itself', async () => {
        await pushBlob('b');
        await pushBlob('b', { repository: OTHER });
        expect(await index.deleteBlob(APP, digest('b'))).toEqual({ outcome: 'deleted', doomed: [] });
        expect(await belongs('b')).toBe(false);
        expect(await belongs('b', OTHER)).toBe(true);
        const last = { outcome: 'deleted', doomed: [{ digest: digest('b'), sizeBytes: 100 }] };
        expect(await index.deleteBlob(OTHER, digest('b'))).toEqual(last);
        expect(await index.summarize({ limit: 9 })).toEqual([]);
      });

      test('leaves one that a manifest lists, and manifests', async () => {
        await pushBlob('b');
        await push('m', { references: [reference('b')] });
        const listed = { outcome: 'listed', doomed: [] };
        expect(await index.deleteBlob(APP, digest('b'))).toEqual(listed);
        expect(await index.deleteBlob(APP, digest('m'))).toEqual(listed);
        await remove('m');
        expect(await index.deleteBlob(APP, digest('b'))).toMatchObject({ outcome: 'deleted' });
      });

      test('knows nothing of others', async () => {
        await pushBlob('b', { repository: OTHER });
        const unknown = { outcome: 'unknown', doomed: [] };
        expect(await index.deleteBlob(APP, digest('b'))).toEqual(unknown);
        expect(await index.deleteBlob(OTHER, digest('unheard'))).toEqual(unknown);
      });

      test('leaves manifests whose subject it is', async () => {
        await pushBlob('b');
        await push('scan', { references: [reference('b', 'subject')] });
        await push('bundle', { references: [reference('scan', 'manifest'), reference('b', 'subject')] });
        expect([...(await rootsOf()).keys()]).toEqual([digest('b')]);
        expect(await index.deleteBlob(APP, digest('b'))).toMatchObject({ outcome: 'deleted' });
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('bundle'), sizeBytes: 2000 }]);
      });
    });

    describe('a manifest whose subject is a blob', () => {
      const dropped = async (name: string) => {
        const roots = [{ repository: APP, digest: digest(name) }];
        const foreseen = await index.previewDrop(roots);
        expect(await index.dropRoots(roots)).toEqual(foreseen);
        return foreseen.map((content) => content.digest).toSorted();
      };
      const digests = (...names: string[]) => names.map(digest).toSorted();
      const about = (name: string) => reference(name, 'subject');
      const child = (name: string) => reference(name, 'manifest');

      test('stays, with what it has, when that blob is dropped', async () => {
        for (const name of ['b', 'config', 'layer']) await pushBlob(name);
        await push('scan', { references: [reference('config', 'config'), reference('layer'), about('b')] });
        expect([...(await rootsOf()).keys()]).toEqual([digest('b')]);
        expect(await dropped('b')).toEqual([digest('b')]);
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('scan'), sizeBytes: 1200 }]);
        expect(await dropped('scan')).toEqual(digests('scan', 'config', 'layer'));
      });

      test('keeps that blob if it lists it, too', async () => {
        await pushBlob('b');
        await push('scan', { references: [about('b')] });
        await push('copy', { references: [reference('b'), about('b')] });
        await dropped('b');
        expect(await belongs('b')).toBe(true);
        expect(await belongs('scan')).toBe(true);
        expect([...(await rootsOf()).keys()].toSorted()).toEqual([digest('copy')]);
      });

      test('stays when an image goes that lists the blob, and so does what both list', async () => {
        for (const name of ['b', 'layer']) await pushBlob(name);
        await push('part', { references: [reference('layer')] });
        await push('image', { references: [reference('b')] });
        await push('index', { references: [child('part'), child('image')], tags: ['v1'] });
        await push('scan', { references: [child('part'), about('b')] });
        expect(await dropped('index')).toEqual(digests('index', 'image', 'b'));
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('scan'), sizeBytes: 2100 }]);
      });

      test('goes with an index that lists it', async () => {
        await pushBlob('b');
        await push('image', { references: [reference('b')] });
        await push('scan', { references: [about('b')] });
        await push('index', { references: [child('image'), child('scan')] });
        expect(await dropped('index')).toEqual(digests('index', 'image', 'scan', 'b'));
        expect((await rootsOf()).size).toBe(0);
      });

      test('stays when an image is deleted, and when the layer that this leaves behind is dropped', async () => {
        for (const name of ['b', 'layer']) await pushBlob(name);
        await push('part', { references: [reference('layer')] });
        await push('index', { references: [child('part'), reference('b')] });
        await push('scan', { references: [child('part'), about('b')] });
        expect([...(await rootsOf()).keys()]).toEqual([digest('index')]);
        expect(await remove('index')).toMatchObject({ manifests: [digest('index')], doomed: doomed('index') });
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('b'), isManifest: false }]);
        expect(await dropped('b')).toEqual([digest('b')]);
        expect([...(await rootsOf()).values()]).toMatchObject([{ digest: digest('scan'), sizeBytes: 2100 }]);
      });
    });

    test('referrers are listed page by page, those that are stored in this repository', async () => {
      const subject = digest('m');
      const about = [reference('m', 'subject')];
      const names = ['a', 'b', 'c', 'd'];
      for (const name of names) await push(name, { references: about, mediaType: `type/${name}`, atMs: 7 });
      await push('elsewhere', { repository: OTHER, references: about });
      await push('lister', { references: [reference('m', 'manifest')] });
      await push('lost', { references: about });
      await index.removeBlobs([digest('lost')]);
      const expected = names
        .map((name) => ({ digest: digest(name), mediaType: `type/${name}`, sizeBytes: 1000, storedAtMs: 7 }))
        .toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
      expect(await index.listReferrers({ repository: APP, subject, limit: 9 })).toEqual(expected);
      const first = await index.listReferrers({ repository: APP, subject, limit: 3 });
      expect(first).toEqual(expected.slice(0, 3));
      const after = first[2]?.digest ?? '';
      expect(await index.listReferrers({ repository: APP, subject, after, limit: 3 })).toEqual(expected.slice(3));
      expect(await index.listReferrers({ repository: APP, subject: digest('a'), limit: 3 })).toEqual([]);
      expect(await index.listReferrers({ repository: 'local/unheard', subject, limit: 3 })).toEqual([]);
    });

    test('tags are listed page by page, with when they moved and when what they point at was pulled', async () => {
      await push('child', { atMs: 500 });
      await push('m', { tags: ['v1', 'v3'], atMs: 1000 });
      await push('n', { tags: ['v2'], atMs: 2000 });
      await push('m', { tags: ['v1'], atMs: 3000 });
      const row = (tag: string, name: string, movedAtMs: number, usedAtMs?: number) => ({
        tag,
        digest: digest(name),
        movedAtMs,
        usedAtMs,
      });
      const rows = [row('v1', 'm', 1000), row('v2', 'n', 2000), row('v3', 'm', 1000)];
      expect(await index.listTagRows({ repository: APP, limit: 9 })).toEqual(rows);
      expect(await index.listTagRows({ repository: APP, after: 'v1', limit: 1 })).toEqual([rows[1]]);
      expect(await index.listTagRows({ repository: APP, after: 'v1', before: 'v3', limit: 9 })).toEqual([rows[1]]);
      expect(await index.listTagRows({ repository: 'local/unheard', limit: 1 })).toEqual([]);
      index.noteUse({ repository: APP, digest: digest('n'), atMs: 9000 });
      await push('index', { references: [reference('child', 'manifest')], tags: ['v4'], atMs: 4000 });
      index.noteUse({ repository: APP, digest: digest('child'), atMs: 9500 });
      expect(await index.listTagRows({ repository: APP, after: 'v1', limit: 9 })).toEqual([
        row('v2', 'n', 2000, 9000),
        row('v3', 'm', 1000),
        row('v4', 'index', 4000, 9500),
      ]);
    });
  });
}
