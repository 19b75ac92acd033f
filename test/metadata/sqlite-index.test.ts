import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { MetadataError } from '../../src/metadata/metadata-error.ts';
import { MIGRATIONS } from '../../src/metadata/sqlite/migrations.ts';
import { mountSmallDisk } from '../content/support/tmpfs.ts';
import { seededBytes } from '../support/bytes.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { describeBlobIndex } from './blob-index-conformance.ts';
import { describeEventIndex } from './event-index-conformance.ts';
import { describeJobControlIndex } from './job-control-conformance.ts';
import { describeJobIndex } from './job-index-conformance.ts';
import { describeManifestIndex } from './metadata-index-conformance.ts';
import { describePushIndex } from './push-index-conformance.ts';
import { describeRootIndex } from './root-index-conformance.ts';
import { openSqliteFile, openSqliteIndex } from './support/open-sqlite-index.ts';
import { digest, manifest, reference } from './support/rows.ts';
import { describeTagClockIndex } from './tag-clock-conformance.ts';
import { describeUpkeepIndex } from './upkeep-index-conformance.ts';

const APP = 'docker.io/library/app';

describeManifestIndex('the SQLite index', openSqliteIndex);
describeBlobIndex('the SQLite index', openSqliteIndex);
describeRootIndex('the SQLite index', openSqliteIndex);
describeUpkeepIndex('the SQLite index', openSqliteIndex);
describePushIndex('the SQLite index', openSqliteIndex);
describeEventIndex('the SQLite index', openSqliteIndex);
describeTagClockIndex('the SQLite index', openSqliteIndex);
describeJobIndex('the SQLite index', openSqliteIndex);
describeJobControlIndex('the SQLite index', openSqliteIndex);

/** When the content was last used in each repository, as the file says. The index must be closed. */
function usesIn(file: string): Record<string, number | null> {
  const database = new Database(file, { readonly: true });
  const rows = database
    .prepare<[], { digest: string; used_at: number | null }>(
      'SELECT digest, used_at FROM repository_content JOIN content ON content.id = content_id',
    )
    .all();
  database.close();
  return Object.fromEntries(rows.map((row) => [row.digest, row.used_at]));
}

describe('uses', () => {
  test('are written by a flush and when the index is closed, the latest of each', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    await index.putManifest(manifest('m', { references: [reference('a'), reference('b'), reference('c')], atMs: 10 }));
    index.noteUse({ repository: APP, digest: digest('a'), atMs: 100 });
    index.noteUse({ repository: APP, digest: digest('m'), atMs: 5 });
    await index.flushUses();
    index.noteUse({ repository: APP, digest: digest('a'), atMs: 50 });
    index.noteUse({ repository: APP, digest: digest('b'), atMs: 200 });
    index.noteUse({ repository: APP, digest: digest('b'), atMs: 300 });
    index.noteUse({ repository: 'ghcr.io/another', digest: digest('c'), atMs: 400 });
    await index[Symbol.asyncDispose]();
    const written = { [digest('m')]: 10, [digest('a')]: 100, [digest('b')]: 300, [digest('c')]: null };
    expect(usesIn(file)).toEqual(written);
  });

  test('do not get older when the clock is set back', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    await index.putManifest(manifest('m', { atMs: 10 }));
    index.noteUse({ repository: APP, digest: digest('m'), atMs: 300 });
    index.noteUse({ repository: APP, digest: digest('m'), atMs: 200 });
    await index[Symbol.asyncDispose]();
    expect(usesIn(file)).toEqual({ [digest('m')]: 300 });
  });

  test('are written without being asked when there are many', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    await index.putManifest(manifest('m', { atMs: 10 }));
    index.noteUse({ repository: APP, digest: digest('m'), atMs: 77 });
    for (let number = 0; number < 10_000; number += 1) {
      index.noteUse({ repository: APP, digest: digest(number), atMs: 5 });
    }
    await index.putManifest(manifest('n'));
    const copy = `${file}.copy`;
    await Promise.all([writeFile(copy, await readFile(file)), writeFile(`${copy}-wal`, await readFile(`${file}-wal`))]);
    expect(usesIn(copy)[digest('m')]).toBe(77);
  });
});

describe('opening the index', () => {
  test('refuses one that a newer version wrote, and leaves it as it is', async () => {
    await using opened = await openSqliteIndex();
    await opened.index.putManifest(manifest('m', { tags: ['v1'] }));
    await opened.index[Symbol.asyncDispose]();
    const newer = new Database(opened.file);
    newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    const before = await readFile(opened.file);
    expect(() => openSqliteFile(opened.file)).toThrow(expect.objectContaining({ code: 'INDEX_TOO_NEW' }));
    expect((await readFile(opened.file)).equals(before)).toBe(true);
  });

  test.each([
    ['text', Buffer.from('this is no database\n'.repeat(100))],
    ['noise', seededBytes(20_000, 1)],
    ['a database whose first page is torn', Buffer.concat([Buffer.from('SQLite format 3\0'), seededBytes(8000, 2)])],
  ])('refuses %s as damaged, and leaves it as it is', async (_, bytes) => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    await writeFile(file, bytes);
    expect(() => openSqliteFile(file)).toThrow(expect.objectContaining({ code: 'INDEX_CORRUPT' }));
    expect((await readFile(file)).equals(bytes)).toBe(true);
  });

  test('says so when a page in its middle is damaged, at the latest when that is read', async () => {
    await using opened = await openSqliteIndex();
    const references = Array.from({ length: 2000 }, (_, number) => reference(`layer ${number}`));
    await opened.index.putManifest(manifest('m', { references, tags: ['v1'] }));
    await opened.index[Symbol.asyncDispose]();
    const bytes = await readFile(opened.file);
    seededBytes(bytes.length - 4096 * 20, 3).copy(bytes, 4096 * 20);
    await writeFile(opened.file, bytes);
    const readAll = async () => {
      await using index = openSqliteFile(opened.file);
      for (const { digest: name } of references) await index.findBlob(APP, name);
    };
    await expect(readAll()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
  });

  test('says so whatever is asked of it when damage shows', async () => {
    await using opened = await openSqliteIndex();
    for (let number = 0; number < 200; number += 1) {
      const references = Array.from({ length: 10 }, (_, layer) => reference(`layer ${number} ${layer}`));
      await opened.index.putManifest(manifest(`m${number}`, { references, tags: [`v${number}`] }));
    }
    await opened.index[Symbol.asyncDispose]();
    const bytes = await readFile(opened.file);
    seededBytes(bytes.length - 4096 * 50, 3).copy(bytes, 4096 * 50);
    await writeFile(opened.file, bytes);
    await using index = openSqliteFile(opened.file);
    const root = { repository: APP, digest: digest('m7') };
    const blob = { digest: digest('new'), sizeBytes: 1, repositories: [APP], atMs: 1 };
    index.noteUse({ ...root, atMs: 2_000_000 });
    const answers = await Promise.allSettled([
      index.findTag(APP, 'v100'),
      index.findManifest(APP, digest('m100')),
      index.putManifest(manifest('n', { references: [reference('layer 5 5')], tags: ['v5'] })),
      index.putTag(APP, 'v9', digest('m7'), 5),
      index.dropTag(APP, 'v150'),
      index.listTags(APP),
      index.putBlob(blob),
      index.linkBlob(APP, digest('other')),
      index.removeBlobs([digest('layer 9 9')]),
      index.listBlobs('', 10_000),
      index.flushUses(),
      index.oldestRoots({ limit: 100 }),
      index.listRoots({ limit: 1000 }),
      index.dropRoots([root]),
      index.contentOf(root),
      index.sweep(10_000),
      index.backup(`${opened.file}.copy`),
    ]);
    const refusals = answers.filter((answer) => answer.status === 'rejected').map((answer) => answer.reason as unknown);
    expect(refusals.length).toBeGreaterThan(5);
    expect(refusals.filter((reason) => !(reason instanceof MetadataError && reason.code === 'INDEX_CORRUPT'))).toEqual(
      [],
    );
  });

  test.each([0, 1])("refuses another program's database of version %i", async (version) => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    const foreign = new Database(file);
    foreign.exec('CREATE TABLE song (title TEXT)');
    foreign.pragma(`user_version = ${version}`);
    foreign.close();
    const before = await readFile(file);
    let thrown: unknown;
    try {
      await openSqliteFile(file)[Symbol.asyncDispose]();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MetadataError);
    expect((await readFile(file)).equals(before)).toBe(true);
  });

  test('says which folder does not exist', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'missing', 'index.sqlite');
    expect(() => openSqliteFile(file)).toThrow(expect.objectContaining({ code: 'INDEX_FAILED' }));
    expect(() => openSqliteFile(file)).toThrow(/missing.*does not exist/);
  });

  test('says so when a folder lies where its file should be', async () => {
    await using directory = await temporaryDirectory();
    expect(() => openSqliteFile(directory.path)).toThrow(MetadataError);
  });

  test('takes an empty file for a new index', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    await writeFile(file, '');
    await using index = openSqliteFile(file);
    expect(await index.usage()).toMatchObject({ blobs: 0, diskBytes: 0 });
  });

  test.each([true, false])(
    'says INDEX_READ_ONLY on a disk that is read-only (with an index on it: %s)',
    async (isThere) => {
      await using disk = await mountSmallDisk(4 * 1024 * 1024);
      const file = join(disk.path, 'index.sqlite');
      if (isThere) await openSqliteFile(file)[Symbol.asyncDispose]();
      await disk.makeReadOnly();
      expect(() => openSqliteFile(file)).toThrow(expect.objectContaining({ code: 'INDEX_READ_ONLY' }));
    },
  );
});

test('a full disk is INDEX_FULL, and loses nothing that was committed', async () => {
  await using disk = await mountSmallDisk(4 * 1024 * 1024);
  const file = join(disk.path, 'index.sqlite');
  let stored = 0;
  {
    await using index = openSqliteFile(file);
    await index.putManifest(manifest('m'));
    const fill = async () => {
      for (; stored < 1000; stored += 1)
        await index.putListing({ repository: APP, key: `key ${stored}`, body: seededBytes(20_000, stored), atMs: 1 });
    };
    await expect(fill()).rejects.toMatchObject({ code: 'INDEX_FULL' });
    expect(stored).toBeGreaterThan(10);
    expect((await index.findListing(APP, 'key 0'))?.body).toHaveLength(20_000);
  }
  // Not one byte is free when it is opened again.
  await writeFile(join(disk.path, 'junk'), Buffer.alloc(4 * 1024 * 1024)).catch(() => undefined);
  await using index = openSqliteFile(file);
  for (let number = 0; number < stored; number += 1) {
    const found = await index.findListing(APP, `key ${number}`);
    expect(seededBytes(20_000, number).equals(found?.body ?? Buffer.alloc(0))).toBe(true);
  }
});

test('what is on a disk that is full to the last byte can be evicted', async () => {
  await using disk = await mountSmallDisk(4 * 1024 * 1024);
  await using index = openSqliteFile(join(disk.path, 'index.sqlite'));
  for (let number = 0; number < 50; number += 1) {
    await index.putManifest(
      manifest(`m${number}`, { references: [reference(`layer ${number}`)], tags: [`v${number}`] }),
    );
  }
  await writeFile(join(disk.path, 'junk'), Buffer.alloc(4 * 1024 * 1024)).catch(() => undefined);
  for (let number = 0; number < 10; number += 1) {
    const doomed = await index.dropRoots(await index.oldestRoots({ limit: 4 }));
    await index.settleDoomed(doomed.map((content) => content.digest));
  }
  expect(await index.usage()).toMatchObject({ blobs: 10 });
});

test('its log does not grow without bound, and counts as the index', async () => {
  await using opened = await openSqliteIndex();
  const { index, file } = opened;
  await index.putManifest(manifest('m'));
  const list = { repository: APP, key: 'tags', atMs: 1 };
  await index.putListing({ ...list, body: seededBytes(40_000_000, 0) });
  for (let number = 0; number < 60; number += 1)
    await index.putListing({ ...list, body: seededBytes(1_000_000, number) });
  const [main, log] = await Promise.all([stat(file), stat(`${file}-wal`)]);
  expect(log.size).toBeGreaterThan(0);
  expect(log.size).toBeLessThan(32 * 1024 * 1024);
  const { indexBytes, indexUnwrittenBytes } = await index.usage();
  expect(indexBytes - indexUnwrittenBytes).toBe(main.size + log.size);
  expect(log.size + indexUnwrittenBytes).toBeLessThanOrEqual(24 * 1024 * 1024);
});
