import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { IndexModel } from './support/index-model.ts';
import { openSqliteFile } from './support/open-sqlite-index.ts';
import { digest, manifest, reference } from './support/rows.ts';
import { MANIFESTS, NAMES, UNIVERSE } from './support/universe.ts';
import { Version1Index } from './support/version-1-index.ts';

const APP = 'docker.io/library/app';
const OTHER = 'ghcr.io/owner/other';

test('an index of version 1 goes on to be used, with all it has', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  {
    using old = new Version1Index(file);
    const references = [reference('config', 'config'), reference('layer', 'layer', 20)];
    old.putManifest(manifest('m', { references, tags: ['v1', 'v2'], atMs: 100 }));
    old.putManifest(manifest('m', { repository: OTHER, references, tags: ['v1'], atMs: 300 }));
    old.putManifest(manifest('index', { references: [reference('m', 'manifest')], tags: ['multi'], atMs: 200 }));
    old.putManifest(manifest('signature', { references: [reference('m', 'subject')], atMs: 50 }));
    old.putBlob(digest('layer'), 20, [APP], 150);
    old.putBlob(digest('loose'), 5, [], 160);
    old.linkBlob(OTHER, digest('confirmed'), 170);
    old.putListing(APP, 'tags', '["v1"]');
    old.putListing(APP, `referrers ${digest('m')}`, '[]');
    old.putListing(APP, `referrers ${digest('unheard')}`, '[]');
    old.putListing('quay.io/never/seen', 'tags', '[]');
  }
  await using index = openSqliteFile(file);
  const roots = await index.listRoots({ limit: 100 });
  const sizeBytes = 2020;
  expect(roots).toHaveLength(4);
  expect(roots).toContainEqual(
    expect.objectContaining({ repository: APP, digest: digest('m'), tags: ['v1', 'v2'], usedAtMs: 100, sizeBytes }),
  );
  expect(roots).toContainEqual(
    expect.objectContaining({ repository: APP, digest: digest('index'), usedAtMs: 200, sizeBytes: sizeBytes + 1000 }),
  );
  expect(roots).toContainEqual(
    expect.objectContaining({ repository: OTHER, digest: digest('m'), tags: ['v1'], sizeBytes: 1020 }),
  );
  expect(roots).toContainEqual(
    expect.objectContaining({ repository: OTHER, digest: digest('confirmed'), isManifest: false, usedAtMs: 170 }),
  );
  expect(await index.listRoots({ repository: '', limit: 9 })).toMatchObject([
    { digest: digest('loose'), sizeBytes: 5 },
  ]);
  expect(await index.findTag(APP, 'v1')).toMatchObject({ mediaType: manifest('m').mediaType, storedAtMs: 100 });
  expect(await index.findBlob(OTHER, digest('layer'))).toMatchObject({ isStored: true, belongs: true, sizeBytes: 20 });
  expect(await index.usage()).toMatchObject({ blobs: 5, diskBytes: 5 * 4096 });
  expect(await index.findListing(APP, 'tags')).toBeDefined();
  expect(await index.findListing(APP, `referrers ${digest('m')}`)).toBeDefined();
  expect(await index.findListing(APP, `referrers ${digest('unheard')}`)).toBe(undefined);
  expect(await index.listRepositories({ limit: 9 })).toEqual([APP, OTHER]);
  await index.dropRoots(roots);
  expect(await index.summarize({ limit: 9 })).toEqual([]);
  expect(await index.listDoomed(9)).toHaveLength(4);
  expect(await index.sweep(100)).toBe(2);
});

test('manifests of version 1 that refer to each other in a circle can be dropped', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  {
    using old = new Version1Index(file);
    old.putManifest(manifest('m'));
    old.putManifest(manifest('index', { references: [reference('m', 'subject'), reference('o', 'manifest')] }));
    old.putManifest(manifest('o', { references: [reference('m', 'manifest')] }));
    old.putManifest(manifest('x', { references: [reference('b', 'subject'), reference('b')] }));
  }
  await using index = openSqliteFile(file);
  await index.dropRoots(await index.listRoots({ limit: 9 }));
  expect(await index.summarize({ limit: 9 })).toEqual([]);
});

test('an index of version 1 is converted to what this version would have made of the same', {
  timeout: 60_000,
}, async () => {
  const repository = fc.constantFrom('docker.io/library/a', 'docker.io/library/b', 'ghcr.io/owner/c');
  const tags = fc.subarray(['v1', 'v2', 'latest'], { maxLength: 2 });
  const blobs = NAMES.filter((name) => !MANIFESTS.includes(name));
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ act: fc.constant('putManifest'), repository, name: fc.constantFrom(...MANIFESTS), tags }),
    },
    { weight: 2, arbitrary: fc.record({ act: fc.constant('putBlob'), repository, name: fc.constantFrom(...blobs) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('putLoose'), repository, name: fc.constantFrom(...blobs) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('linkBlob'), repository, name: fc.constantFrom(...blobs) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      await using directory = await temporaryDirectory();
      const file = join(directory.path, 'index.sqlite');
      const model = new IndexModel(UNIVERSE);
      {
        using old = new Version1Index(file);
        for (const [at, one] of steps.entries()) play(old, model, one, at);
      }
      {
        await using index = openSqliteFile(file);
        for (const where of ['docker.io/library/a', 'docker.io/library/b', 'ghcr.io/owner/c', '']) {
          const roots = await index.listRoots({ repository: where, limit: 100 });
          expect(new Set(roots.map((root) => [root.digest, root.tags, root.isManifest, root.sizeBytes]))).toEqual(
            new Set(model.roots(where).map((root) => [digest(root.name), root.tags, root.isManifest, root.sizeBytes])),
          );
          const [summary] = await index.summarize({ prefix: where || 'none', limit: 1 });
          if (where !== '') expect(summary?.sizeBytes ?? 0).toBe(model.storedBytesOf(where));
        }
        expect(await index.usage()).toMatchObject({ blobs: model.stored.size, diskBytes: model.diskBytes() });
        const { diskBytesByRegistry } = await index.usage();
        for (const registry of ['docker.io', 'ghcr.io']) {
          expect(diskBytesByRegistry.get(registry) ?? 0).toBe(model.diskBytesOf(registry));
        }
      }
      expect(foreignKeyMistakes(file)).toEqual([]);
    }),
    { numRuns: 20 },
  );
});

function play(
  old: Version1Index,
  model: IndexModel,
  one: { act: string; repository: string; name: string; tags?: readonly string[] },
  at: number,
): void {
  const { sizeBytes = 0, refers = [] } = UNIVERSE[one.name] ?? {};
  const { repository, name, tags = [] } = one;
  const references = refers.map((refer) => reference(refer.name, refer.role));
  if (one.act === 'putManifest') {
    old.putManifest(manifest(name, { repository, sizeBytes, references, tags, atMs: at }));
    model.putManifest(repository, name, tags, at);
  } else if (one.act === 'linkBlob') {
    old.linkBlob(repository, digest(name), at);
    model.linkBlob(repository, name, at);
  } else {
    const isLoose = one.act === 'putLoose';
    old.putBlob(digest(name), sizeBytes, isLoose ? [] : [repository], at);
    model.putBlob(isLoose ? undefined : repository, name, at);
  }
}

function foreignKeyMistakes(file: string): unknown {
  const database = new Database(file, { readonly: true });
  try {
    return database.pragma('foreign_key_check');
  } finally {
    database.close();
  }
}
