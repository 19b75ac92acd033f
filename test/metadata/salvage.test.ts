import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RegistryEvent } from '../../src/metadata/event-index.ts';
import { salvage, type Salvage } from '../../src/metadata/sqlite/salvage.ts';
import { seededBytes } from '../support/bytes.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openSqliteFile, openSqliteIndex } from './support/open-sqlite-index.ts';
import { digest, manifest, reference } from './support/rows.ts';
import { seedIndex, type SeededIndex } from './support/seed-index.ts';
import { Version1Index } from './support/version-1-index.ts';

const APP = 'docker.io/library/app';
const OTHER = 'ghcr.io/owner/other';
const { mediaType } = manifest('m');

/** The pages of a table of the index, its first one first. */
function pagesOf(file: string, table: string): number[] {
  const database = new Database(file, { readonly: true });
  try {
    const pages = database
      .prepare<[string], number>('SELECT pageno FROM dbstat WHERE name = ? ORDER BY path')
      .pluck()
      .all(table);
    expect(pages.length).toBeGreaterThan(0);
    return pages;
  } finally {
    database.close();
  }
}

async function destroy(file: string, page: number | undefined): Promise<void> {
  const bytes = await readFile(file);
  seededBytes(4096, 7).copy(bytes, ((page ?? 0) - 1) * 4096);
  await writeFile(file, bytes);
}

test('an intact index is salvaged as a whole', async () => {
  await using opened = await openSqliteIndex();
  const { index, file } = opened;
  await index.putManifest(manifest('m', { references: [reference('layer')], tags: ['v1', 'v2'], atMs: 5 }));
  const indexType = 'application/vnd.oci.image.index.v1+json';
  await index.putManifest(manifest('n', { repository: OTHER, mediaType: indexType, tags: ['old'] }));
  await index.deleteTag(OTHER, 'old', { actor: 'alice' });
  await index.putBlob({ digest: digest('b'), sizeBytes: 1, repositories: [OTHER], atMs: 6 });
  await index.putBlob({ digest: digest('loose'), sizeBytes: 1, repositories: [], atMs: 6 });
  await index.putTag(APP, 'v2', digest('m'), 9);
  await index.putPin('docker.io/**', 7);
  await index.writeNote('place', '7');
  const events = await index.readEvents(0, 99);
  expect(events).toHaveLength(6);
  const [v1, v2] = [await index.findTagState(APP, 'v1'), await index.findTagState(APP, 'v2')];
  const deleted = await index.findTombstone(OTHER, 'old');
  expect([v1, v2, deleted]).toMatchObject([{ digest: digest('m') }, { digest: digest('m') }, { digest: digest('n') }]);
  await index[Symbol.asyncDispose]();
  expect(salvage(file)).toEqual({
    tags: [
      { repository: APP, tag: 'v1', digest: digest('m'), validatedAtMs: 5, movedAtMs: 5 },
      { repository: APP, tag: 'v2', digest: digest('m'), validatedAtMs: 9, movedAtMs: 5 },
    ],
    manifests: [
      { repository: APP, digest: digest('m'), mediaType, usedAtMs: 5 },
      { repository: OTHER, digest: digest('n'), mediaType: indexType, usedAtMs: 1_000_000 },
    ],
    blobs: [{ repository: OTHER, digest: digest('b'), usedAtMs: 6 }],
    links: new Map([
      [APP, new Set([digest('m'), digest('layer')])],
      [OTHER, new Set([digest('n'), digest('b')])],
    ]),
    areLinksWhole: true,
    pins: [{ pattern: 'docker.io/**', atMs: 7 }],
    notes: [{ key: 'place', value: '7' }],
    clocks: [
      { repository: APP, tag: 'v1', ...v1, deletedAtMs: undefined },
      { repository: APP, tag: 'v2', ...v2, deletedAtMs: undefined },
      { repository: OTHER, tag: 'old', ...deleted },
    ],
    events,
    lastEvent: 6,
    problems: [],
  });
});

test('an index of version 1 is salvaged too', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  {
    using old = new Version1Index(file);
    old.putManifest(manifest('m', { references: [reference('layer')], tags: ['v1'], atMs: 5 }));
    old.linkBlob(OTHER, digest('b'), 6);
    old.putBlob(digest('loose'), 5, [], 7);
  }
  expect(salvage(file)).toEqual({
    tags: [{ repository: APP, tag: 'v1', digest: digest('m'), validatedAtMs: 5, movedAtMs: 5 }],
    manifests: [{ repository: APP, digest: digest('m'), mediaType, usedAtMs: 5 }],
    blobs: [{ repository: OTHER, digest: digest('b'), usedAtMs: 6 }],
    links: new Map([
      [APP, new Set([digest('m'), digest('layer')])],
      [OTHER, new Set([digest('b')])],
    ]),
    areLinksWhole: true,
    pins: [],
    notes: [],
    clocks: [],
    events: [],
    lastEvent: 0,
    problems: [],
  });
});

describe('of a damaged index', () => {
  /** Is all that was salvaged true? */
  function expectTrue(salvaged: Salvage, seeded: SeededIndex): void {
    const truth = new Set<string>();
    for (let number = 0; number < seeded.images; number += 1) {
      const { repository, tag, manifest: image } = seeded.imageAt(number);
      truth.add(`${repository}@${image}`).add(`${repository}:${tag}@${image}`);
    }
    const told = [
      ...salvaged.manifests.map((row) => `${row.repository}@${row.digest}`),
      ...salvaged.tags.map((row) => `${row.repository}:${row.tag}@${row.digest}`),
    ];
    expect(told.filter((row) => !truth.has(row))).toEqual([]);
    expect(new Set(told).size).toBe(told.length);
  }

  test('all is salvaged that is not on a damaged page', { timeout: 60_000 }, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    const seeded = seedIndex(file, { images: 2000, repositories: 3 });
    const whole = await readFile(file);
    const pages = whole.length / 4096;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: Math.floor(0.2 * pages), max: pages - 1 }), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        async (damaged, seed) => {
          const bytes = Buffer.from(whole);
          for (const page of damaged) seededBytes(4096, seed + page).copy(bytes, page * 4096);
          await writeFile(file, bytes);
          const salvaged = salvage(file);
          expectTrue(salvaged, seeded);
          // A damaged page inside a tree takes those below it with it; the second copy in an index makes up for most.
          expect(salvaged.tags.length + salvaged.manifests.length).toBeGreaterThan(1000);
          expect((await readFile(file)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('and of one that was cut off, with word of what could not be read', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    for (let number = 0; number < 300; number += 1) {
      const references = Array.from({ length: 5 }, (_, layer) => reference(`layer ${number} ${layer}`));
      await index.putManifest(manifest(`m${number}`, { references, tags: [`v${number}`] }));
    }
    await index[Symbol.asyncDispose]();
    await truncate(file, Math.floor(((await readFile(file)).length * 0.7) / 4096) * 4096 + 100);
    const { tags, manifests, problems } = salvage(file);
    expect(problems.join('\n')).toMatch(/malformed/);
    expect(tags.length + manifests.length).toBeGreaterThan(50);
    for (const { tag, digest: found } of tags) expect(found).toBe(digest(`m${tag.slice(1)}`));
  });

  test('tags whose table is damaged are salvaged from its index, without their times', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    await index.putManifest(manifest('m', { tags: ['v1'], atMs: 5 }));
    await index[Symbol.asyncDispose]();
    await destroy(file, pagesOf(file, 'tag')[0]);
    expect(salvage(file).tags).toEqual([
      { repository: APP, tag: 'v1', digest: digest('m'), validatedAtMs: 0, movedAtMs: undefined },
    ]);
  });

  test('the links are whole as long as the table or its index is', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    await index.putManifest(manifest('m', { references: [reference('layer')] }));
    await index[Symbol.asyncDispose]();
    const links = new Map([[APP, new Set([digest('m'), digest('layer')])]]);
    const [[table], [second]] = [pagesOf(file, 'repository_content'), pagesOf(file, 'repository_content_by_content')];
    await destroy(file, table);
    expect(salvage(file)).toMatchObject({ links, areLinksWhole: true });
    await destroy(file, second);
    expect(salvage(file)).toMatchObject({ links: new Map(), areLinksWhole: false });
  });

  test('clocks of tags are salvaged as far as they can be read', async () => {
    await using opened = await openSqliteIndex();
    const { index, file } = opened;
    const tags = Array.from({ length: 200 }, (_, number) => `v${number}`);
    await index.putManifest(manifest('m', { tags }));
    await index.deleteManifest(APP, digest('m'), { actor: 'alice' });
    const tombstones = await index.listTombstones({ repository: APP, limit: 999 });
    await index[Symbol.asyncDispose]();
    const whole = salvage(file).clocks;
    expect(whole.map(({ tag, deletedAtMs }) => ({ tag, deletedAtMs }))).toEqual(
      tombstones.map(({ tag, deletedAtMs }) => ({ tag, deletedAtMs })),
    );
    await destroy(file, pagesOf(file, 'tag_clock').at(3));
    const { clocks, problems } = salvage(file);
    expect(problems.join('\n')).toContain('tag_clock');
    expect(clocks.length).toBeGreaterThan(100);
    expect(clocks.length).toBeLessThan(200);
    for (const clock of clocks) expect(whole).toContainEqual(clock);
  });

  test.each([
    ['noise', seededBytes(20_000, 1)],
    ['nothing', Buffer.alloc(0)],
    ['an index whose first page is torn', Buffer.concat([Buffer.from('SQLite format 3\0'), seededBytes(8000, 2)])],
  ])('nothing is salvaged of %s, and that is said', async (_, bytes) => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    await writeFile(file, bytes);
    const { problems, ...rest } = salvage(file);
    expect(problems).toEqual([expect.stringContaining('nothing of it can be read')]);
    expect(rest).toEqual({
      tags: [],
      manifests: [],
      blobs: [],
      links: new Map(),
      areLinksWhole: false,
      pins: [],
      notes: [],
      clocks: [],
      events: [],
      lastEvent: undefined,
    });
  });
});

describe('of an event log', () => {
  async function writeLog(file: string, events: number): Promise<RegistryEvent[]> {
    await using index = openSqliteFile(file);
    for (let number = 0; number < events; number += 1) await index.putManifest(manifest(`m${number}`));
    return index.readEvents(0, events);
  }

  test('that is damaged the rest is salvaged, in order, and its last number is known', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    const events = await writeLog(file, 300);
    await destroy(file, pagesOf(file, 'event').at(5));
    const salvaged = salvage(file);
    expect(salvaged.lastEvent).toBe(300);
    expect(salvaged.problems).toEqual([expect.stringContaining('event')]);
    expect(salvaged.events.length).toBeGreaterThan(200);
    expect(salvaged.events.length).toBeLessThan(300);
    const numbers = new Set(salvaged.events.map(({ sequence }) => sequence));
    expect(salvaged.events).toEqual(events.filter(({ sequence }) => numbers.has(sequence)));
  });

  test('whose last number is damaged that is not guessed', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    const events = await writeLog(file, 10);
    await destroy(file, pagesOf(file, 'sqlite_sequence')[0]);
    expect(salvage(file)).toMatchObject({ lastEvent: undefined, events });
  });

  test('that was trimmed the last number is known', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'index.sqlite');
    await writeLog(file, 10);
    {
      await using index = openSqliteFile(file);
      expect(await index.trimEvents({ beforeMs: Date.now() }, 99)).toBe(10);
    }
    expect(salvage(file)).toMatchObject({ lastEvent: 10, events: [], problems: [] });
  });
});

test('what is not there or in use cannot be salvaged', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  expect(() => salvage(file)).toThrow(expect.objectContaining({ code: 'INDEX_FAILED' }));
  {
    await using index = openSqliteFile(file);
    await index.putManifest(manifest('m'));
    expect(() => salvage(file)).toThrow(expect.objectContaining({ code: 'INDEX_IN_USE' }));
  }
  expect(salvage(file).manifests).toHaveLength(1);
});
