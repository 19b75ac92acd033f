import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';

/** What the index of a mirror that does not run says is stored: sizes by digest. Throws if the database is damaged. */
function storedInIndex(folder: string): Map<string, number> {
  const database = new Database(join(folder, 'index.sqlite'), { readonly: true });
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(database.pragma('foreign_key_check')).toEqual([]);
    const rows = database
      .prepare<[], { digest: string; size_bytes: number }>(
        'SELECT digest, size_bytes FROM blob JOIN content ON content.id = blob.content_id ORDER BY digest',
      )
      .all();
    return new Map(rows.map(({ digest, size_bytes }) => [digest, size_bytes]));
  } finally {
    database.close();
  }
}

/** The files of content: sizes by digest. */
export function storedOnDisk(folder: string): Map<string, number> {
  const blobs = join(folder, 'blobs');
  const files = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const found = files.map(({ name, parentPath }): [string, number] => {
    const [algorithm = ''] = parentPath.slice(blobs.length + 1).split('/');
    return [`${algorithm}:${name}`, statSync(join(parentPath, name)).size];
  });
  return new Map(found.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** Index and disk of a mirror that does not run agree, and nothing lies in `ingest/` that cannot be gone on with. */
export function expectAgreement(folder: string): void {
  expect(storedInIndex(folder)).toEqual(storedOnDisk(folder));
  expectResumable(folder);
}

function expectResumable(folder: string): void {
  const ingests = join(folder, 'ingest');
  const names = readdirSync(ingests).toSorted();
  const parts = names.filter((name) => name.endsWith('.part'));
  const pairs = parts.flatMap((part) => [part.replace(/\.part$/, '.json'), part]).toSorted();
  expect(names, 'pieces with a ledger, and nothing else').toEqual(pairs);
  for (const part of parts) {
    const ledger = JSON.parse(readFileSync(join(ingests, part.replace(/\.part$/, '.json')), 'utf8')) as {
      have: [number, number][];
    };
    const end = Math.max(...ledger.have.map(([, endBytes]) => endBytes));
    expect(end, part).toBeGreaterThan(0);
    expect(statSync(join(ingests, part)).size, part).toBeGreaterThanOrEqual(end);
  }
}
