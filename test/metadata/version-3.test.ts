import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { MIGRATIONS } from '../../src/metadata/sqlite/migrations.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openSqliteFile } from './support/open-sqlite-index.ts';
import { digest, manifest, reference } from './support/rows.ts';
import { Version1Index } from './support/version-1-index.ts';

const APP = 'docker.io/library/app';
const ALICE = { actor: 'alice' };

/** Writes an index as the program of version 2 left it after an upgrade. */
function makeVersion2(file: string): void {
  {
    using old = new Version1Index(file);
    const references = [reference('config', 'config'), reference('layer', 'layer', 20)];
    old.putManifest(manifest('m', { references, tags: ['v1', 'v2'], atMs: 100 }));
    old.putManifest(manifest('index', { references: [reference('m', 'manifest')], tags: ['multi'], atMs: 200 }));
    old.putManifest(manifest('signature', { references: [reference('m', 'subject')], atMs: 50 }));
    old.putBlob(digest('layer'), 20, [APP], 150);
    old.putListing(APP, 'tags', '["v1"]');
  }
  const database = new Database(file);
  database.pragma('foreign_keys = OFF');
  database.transaction(() => database.exec(MIGRATIONS[1] ?? ''))();
  database.pragma('user_version = 2');
  database.exec("INSERT INTO note (key, value) VALUES ('place', '7')");
  database.exec("INSERT INTO pin (pattern, pinned_at) VALUES ('docker.io/**', 5)");
  database.close();
}

/** Tables that later versions have added. */
const NEW_TABLES = /^(?:event|last_clock|tag_.*|replication_.*)$/;

/** Every row of every table of version 2. */
function dump(file: string): Map<string, unknown> {
  const database = new Database(file, { readonly: true });
  try {
    const tables = database
      .prepare<[], string>(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1",
      )
      .pluck()
      .all();
    return new Map(
      tables
        .filter((name) => !NEW_TABLES.test(name))
        .map((name) => [name, database.prepare(`SELECT * FROM ${name}`).all()]),
    );
  } finally {
    database.close();
  }
}

test('an index of version 2 goes on to be used, with all it has and an empty log', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  makeVersion2(file);
  const before = dump(file);
  {
    await using index = openSqliteFile(file);
    expect(await index.lastEvent()).toBe(0);
    expect(await index.readEvents(0, 9)).toEqual([]);
  }
  expect(dump(file)).toEqual(before);
  await using index = openSqliteFile(file);
  expect(await index.findTag(APP, 'v1')).toMatchObject({ digest: digest('m') });
  expect(await index.listReferrers({ repository: APP, subject: digest('m'), limit: 9 })).toMatchObject([
    { digest: digest('signature') },
  ]);
  await index.putTag(APP, 'v1', digest('index'), 300);
  await index.deleteManifest(APP, digest('m'), ALICE);
  expect(await index.readEvents(0, 9)).toMatchObject([
    { sequence: 1, kind: 'tag', tag: 'v1', digest: digest('index'), previous: digest('m') },
    { sequence: 2, kind: 'untag', tag: 'v2', actor: 'alice' },
    { sequence: 3, kind: 'delete', digest: digest('m') },
    { sequence: 4, kind: 'delete', digest: digest('signature') },
  ]);
});
