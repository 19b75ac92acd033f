import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { mountSmallDisk } from '../content/support/tmpfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openSqliteFile, openSqliteIndex } from './support/open-sqlite-index.ts';
import { digest, manifest, reference } from './support/rows.ts';
import { seedIndex } from './support/seed-index.ts';

const APP = 'docker.io/library/app';

test('a backup is a whole index in one file', async () => {
  await using opened = await openSqliteIndex();
  await using directory = await temporaryDirectory();
  const copy = join(directory.path, 'copy.sqlite');
  await opened.index.putManifest(manifest('m', { tags: ['v1'], references: [reference('layer')] }));
  const events = await opened.index.readEvents(0, 9);
  expect(events).toHaveLength(2);
  await opened.index.backup(copy);
  await opened.index.putManifest(manifest('later', { tags: ['v1'] }));
  expect(await readdir(directory.path)).toEqual(['copy.sqlite']);
  const database = new Database(copy, { readonly: true });
  expect(database.pragma('journal_mode', { simple: true })).toBe('delete');
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
  database.close();
  await using index = openSqliteFile(copy);
  expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('m') });
  expect(await index.usage()).toMatchObject({ blobs: 1 });
  expect(await index.readEvents(0, 9)).toEqual(events);
  expect(await index.lastEvent()).toBe(2);
});

test('a backup that is made while the index is written to is consistent, and holds nobody up', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  const copy = join(directory.path, 'copy.sqlite');
  seedIndex(file, { images: 5000 });
  await using index = openSqliteFile(file);
  const done = new AbortController();
  const backup = index.backup(copy).finally(() => done.abort());
  let written = 0;
  for (; !done.signal.aborted; written += 1) {
    await index.putManifest(manifest(`m${written}`, { tags: [`t${written}`], atMs: Date.now() }));
    await index.dropRoots(await index.oldestRoots({ limit: 2 }));
    await nextTurn();
  }
  await backup;
  expect(written).toBeGreaterThan(3);
  await using copied = openSqliteFile(copy);
  const tags = await copied.listTags(APP);
  expect(await copied.usage()).toMatchObject({ blobs: (await copied.listBlobs('', 100_000)).length });
  // With each image that was put, two went: the copy has what there was at one moment.
  const roots = (await copied.summarize({ limit: 100 })).reduce((sum, one) => sum + one.roots, 0);
  expect([5000 - tags.length, 5000 - tags.length + 2]).toContain(roots);
});

test('a backup refuses to take the place of a file, and leaves nothing behind', async () => {
  await using opened = await openSqliteIndex();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'there');
  await writeFile(file, 'mine');
  await expect(opened.index.backup(file)).rejects.toMatchObject({
    code: 'INDEX_FAILED',
    message: expect.stringContaining('there already') as string,
  });
  expect(await readFile(file, 'utf8')).toBe('mine');
  await expect(opened.index.backup(join(directory.path, 'missing', 'copy'))).rejects.toMatchObject({
    code: 'INDEX_FAILED',
    message: expect.stringContaining('does not exist') as string,
  });
  expect(await readdir(directory.path)).toEqual(['there']);
});

test('a backup begins anew where a crash has left a part of one', async () => {
  await using opened = await openSqliteIndex();
  await using directory = await temporaryDirectory();
  const copy = join(directory.path, 'copy');
  await opened.index.putManifest(manifest('m', { tags: ['v1'] }));
  await writeFile(`${copy}.tmp`, 'half of something');
  await opened.index.backup(copy);
  await using index = openSqliteFile(copy);
  expect(await index.listTags(APP)).toEqual(['v1']);
  expect(await readdir(directory.path)).not.toContain('copy.tmp');
});

test('one backup at a time, and none is finished when the index is closed', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  seedIndex(file, { images: 2000 });
  const index = openSqliteFile(file);
  const running = index.backup(join(directory.path, 'one'));
  await expect(index.backup(join(directory.path, 'two'))).rejects.toThrow('another backup is under way');
  const ended = running.then(
    () => 'done',
    (error: unknown) => error,
  );
  await index[Symbol.asyncDispose]();
  expect(await ended).toMatchObject({ code: 'INDEX_FAILED' });
  expect(await readdir(directory.path)).toEqual(['index.sqlite']);
  await expect(index.listTags(APP)).rejects.toMatchObject({ code: 'INDEX_FAILED' });
});

test('a backup to a disk that is too small is INDEX_FULL, and the index goes on', async () => {
  await using directory = await temporaryDirectory();
  await using disk = await mountSmallDisk(256 * 1024);
  const file = join(directory.path, 'index.sqlite');
  seedIndex(file, { images: 1000 });
  await using index = openSqliteFile(file);
  await expect(index.backup(join(disk.path, 'copy'))).rejects.toMatchObject({ code: 'INDEX_FULL' });
  expect(await readdir(disk.path)).toEqual([]);
  await index.putManifest(manifest('m', { tags: ['v1'] }));
  expect(await index.listTags(APP)).toEqual(['v1']);
});
