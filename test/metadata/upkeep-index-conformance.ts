import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'docker.io/library/app';
const OTHER = 'ghcr.io/owner/other';

/** What every index does (src/metadata/metadata-index.ts): sums, notes and looking after it. */
export function describeUpkeepIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, looked at and looked after,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    test('counts what is stored in blocks, doomed content included, and by registry without it', async () => {
      await index.putManifest(manifest('m', { references: [reference('layer')], sizeBytes: 4097 }));
      await index.putManifest(manifest('m', { repository: OTHER, references: [reference('layer')], sizeBytes: 4097 }));
      await index.putBlob({ digest: digest('layer'), sizeBytes: 4096, repositories: [], atMs: 1 });
      await index.putBlob({ digest: digest('loose'), sizeBytes: 1, repositories: [], atMs: 1 });
      await index.putBlob({ digest: digest('empty'), sizeBytes: 0, repositories: [APP], atMs: 1 });
      const both = new Map([
        ['docker.io', 3 * 4096],
        ['ghcr.io', 3 * 4096],
      ]);
      expect(await index.usage()).toMatchObject({ blobs: 4, diskBytes: 4 * 4096, diskBytesByRegistry: both });
      expect((await index.usage()).indexBytes).toBeGreaterThan(0);
      await index.dropRoots([{ repository: APP, digest: digest('m') }]);
      const other = new Map([['ghcr.io', 3 * 4096]]);
      expect(await index.usage()).toMatchObject({ blobs: 4, diskBytes: 4 * 4096, diskBytesByRegistry: other });
      await index.dropRoots([{ repository: OTHER, digest: digest('m') }]);
      expect(await index.usage()).toMatchObject({ blobs: 2, diskBytes: 4 * 4096, diskBytesByRegistry: new Map() });
      await index.settleDoomed([digest('m')]);
      expect(await index.usage()).toMatchObject({ blobs: 2, diskBytes: 2 * 4096 });
      await index.removeBlobs([digest('loose')]);
      expect(await (await opened.reopen()).usage()).toMatchObject({ blobs: 1, diskBytes: 4096 });
    });

    test('sums up repositories in byte order, page by page, below a prefix', async () => {
      await index.putManifest(manifest('m', { tags: ['v1', 'v2'], references: [reference('layer')], atMs: 500 }));
      await index.putManifest(manifest('n', { references: [reference('layer')], atMs: 400 }));
      await index.putBlob({ digest: digest('layer'), sizeBytes: 10, repositories: [], atMs: 1 });
      await index.putBlob({ digest: digest('b'), sizeBytes: 7, repositories: [OTHER], atMs: 600 });
      await index.putBlob({ digest: digest('loose'), sizeBytes: 7, repositories: [], atMs: 700 });
      index.noteUse({ repository: APP, digest: digest('layer'), atMs: 900 });
      await index.flushUses();
      const app = { repository: APP, tags: 2, roots: 2, sizeBytes: 2010, usedAtMs: 900 };
      const other = { repository: OTHER, tags: 0, roots: 1, sizeBytes: 7, usedAtMs: 600 };
      expect(await index.summarize({ limit: 10 })).toEqual([app, other]);
      expect(await index.summarize({ limit: 1 })).toEqual([app]);
      expect(await index.summarize({ limit: 10, after: APP })).toEqual([other]);
      expect(await index.summarize({ limit: 10, prefix: 'ghcr.io/' })).toEqual([other]);
      expect(await index.summarize({ limit: 10, prefix: 'ghcr_io/' })).toEqual([]);
      await index.removeBlobs([digest('layer')]);
      await index.dropTag(APP, 'v2');
      expect(await index.summarize({ limit: 1 })).toEqual([{ ...app, tags: 1, sizeBytes: 2000 }]);
    });

    test('tells which repositories have content, and as what', async () => {
      await index.putManifest(manifest('m'));
      await index.linkBlob(OTHER, digest('m'));
      await index.putBlob({ digest: digest('loose'), sizeBytes: 7, repositories: [], atMs: 700 });
      const found = await index.repositoriesOf(digest('m'), 10);
      expect(found).toHaveLength(2);
      expect(found).toContainEqual({ repository: APP, isManifest: true });
      expect(found).toContainEqual({ repository: OTHER, isManifest: false });
      expect(await index.repositoriesOf(digest('m'), 1)).toHaveLength(1);
      expect(await index.repositoriesOf(digest('loose'), 10)).toEqual([]);
      expect(await index.repositoriesOf(digest('unheard'), 10)).toEqual([]);
    });

    test('sweeps away what nothing needs any more, so many rows at a time', async () => {
      const children = Array.from({ length: 10 }, (_, number) => reference(`child ${number}`, 'manifest'));
      await index.putManifest(manifest('index', { references: [...children, reference('layer')], tags: ['v1'] }));
      await index.putBlob({ digest: digest('layer'), sizeBytes: 7, repositories: [], atMs: 700 });
      await index.putManifest(manifest('child 0'));
      await index.putManifest(manifest('o', { repository: OTHER, references: children.slice(1, 2) }));
      expect(await index.sweep(100)).toBe(0);
      await index.dropRoots([{ repository: APP, digest: digest('index') }]);
      // What is doomed stays, and what the other repository's index names.
      expect(await index.sweep(3)).toBe(3);
      expect(await index.sweep(100)).toBe(5);
      expect(await index.sweep(100)).toBe(0);
      await index.settleDoomed((await index.listDoomed(10)).map((content) => content.digest));
      expect(await index.sweep(100)).toBe(3);
      await index.putManifest(manifest('index', { references: children, tags: ['v1'] }));
      expect(await index.findTag(APP, 'v1')).toBeDefined();
      expect(await index.sweep(100)).toBe(0);
    });

    test('keeps notes', async () => {
      expect(await index.readNote('scrub')).toBe(undefined);
      await index.writeNote('scrub', 'one');
      await index.writeNote('scrub', 'two');
      await index.writeNote('other', '');
      expect(await index.readNote('scrub')).toBe('two');
      const again = await opened.reopen();
      expect([await again.readNote('scrub'), await again.readNote('other')]).toEqual(['two', '']);
      await again.writeNote('scrub', undefined);
      await again.writeNote('scrub', undefined);
      expect(await again.readNote('scrub')).toBe(undefined);
    });

    test('keeps pins in byte order, each with the time when it was first there', async () => {
      expect(await index.listPins()).toEqual([]);
      await index.putPin('docker.io/library/b:*', 1);
      await index.putPin('docker.io/library/a:*', 2);
      await index.putPin('docker.io/library/b:*', 3);
      const pins = [
        { pattern: 'docker.io/library/a:*', atMs: 2 },
        { pattern: 'docker.io/library/b:*', atMs: 1 },
      ];
      expect(await (await opened.reopen()).listPins()).toEqual(pins);
      expect(await opened.index.removePin('docker.io/library/a:*')).toBe(true);
      expect(await opened.index.removePin('docker.io/library/a:*')).toBe(false);
      expect(await opened.index.listPins()).toEqual(pins.slice(1));
    });
  });
}
