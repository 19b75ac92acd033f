import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { MIGRATIONS } from '../../src/metadata/sqlite/migrations.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openSqliteFile } from './support/open-sqlite-index.ts';
import { digest, manifest } from './support/rows.ts';
import { Version1Index } from './support/version-1-index.ts';

const APP = 'docker.io/library/app';
const ALICE = { actor: 'alice' };
const OF_OLD = { site: 'eu', sequence: 0, base: undefined };

/** Writes an index as the program of version 3 left it after an upgrade, with one event in its log. */
function makeVersion3(file: string): void {
  {
    using old = new Version1Index(file);
    old.putManifest(manifest('m', { tags: ['v1', 'v2'], atMs: 100 }));
    old.putManifest(manifest('n', { tags: ['future'], atMs: Date.now() + 3_600_000 }));
  }
  const database = new Database(file);
  database.pragma('foreign_keys = OFF');
  for (const statements of MIGRATIONS.slice(1, 3)) database.transaction(() => database.exec(statements))();
  database.exec(`INSERT INTO event (at, kind, repository, digest) VALUES (7, 'fill', '${APP}', '${digest('m')}')`);
  database.pragma('user_version = 3');
  database.close();
}

test('an index of version 3 goes on to be used, and its tags count as set by this site when they were moved', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  makeVersion3(file);
  const upgradedMs = Date.now();
  await using index = openSqliteFile(file, 'eu');
  expect(await index.readEvents(0, 9)).toMatchObject([{ sequence: 1, kind: 'fill' }]);
  const clock = { ms: 100, count: 0 };
  for (const tag of ['v1', 'v2']) {
    expect(await index.findTagState(APP, tag)).toEqual({ digest: digest('m'), clock, ...OF_OLD });
  }
  const future = await index.findTagState(APP, 'future');
  expect(future).toMatchObject({ digest: digest('n'), ...OF_OLD });
  expect(Math.abs((future?.clock.ms ?? 0) - upgradedMs)).toBeLessThan(60_000);
  expect(await index.countConflicts()).toBe(0);
  expect(await index.countJobs()).toEqual([]);
  // What was set elsewhere before that does not count, and what comes after it does.
  const from = (ms: number) => ({ actor: 'us', origin: { site: 'us', sequence: 3, clock: { ms, count: 0 } } });
  const pushed = manifest('n', { tags: ['v1'] });
  expect(await index.pushManifest(pushed, [], from(99))).toMatchObject({ kept: [{ tag: 'v1', digest: digest('m') }] });
  expect(await index.pushManifest(pushed, [], from(101))).toMatchObject({ kept: [] });
  await index.deleteTag(APP, 'v2', ALICE);
  expect(await index.findTombstone(APP, 'v2')).toMatchObject({ digest: digest('m'), site: 'eu', base: undefined });
});
