import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SqliteIndex } from '../../src/metadata/sqlite/sqlite-index.ts';
import { salvage } from '../../src/metadata/sqlite/salvage.ts';
import { openSqliteFile } from '../metadata/support/open-sqlite-index.ts';
import { seedIndex, type SeededIndex } from '../metadata/support/seed-index.ts';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';

const IMAGES = 200_000;

let directory: TemporaryDirectory;
let file: string;
let seeded: SeededIndex;

beforeAll(async () => {
  directory = await temporaryDirectory();
  file = join(directory.path, 'index.sqlite');
  const startMs = performance.now();
  seeded = seedIndex(file, { images: IMAGES });
  tell('seeded', `${Math.round(performance.now() - startMs)} ms, ${Math.round(statSync(file).size / 1e6)} MB`);
});
afterAll(() => directory[Symbol.asyncDispose]());

function tell(what: string, figures: string): void {
  process.stdout.write(`index of ${IMAGES} images: ${what}: ${figures}\n`);
}

/** How long the calls took, in ms: the median and the slowest. */
async function measure(what: string, times: number, call: (turn: number) => Promise<unknown>): Promise<number> {
  const tookMs: number[] = [];
  for (let turn = 0; turn < times; turn += 1) {
    const startMs = performance.now();
    await call(turn);
    tookMs.push(performance.now() - startMs);
    await nextTurn();
  }
  tookMs.sort((a, b) => a - b);
  const median = tookMs[Math.floor(times / 2)] ?? 0;
  tell(what, `median ${median.toFixed(3)} ms, slowest ${(tookMs.at(-1) ?? 0).toFixed(3)} ms`);
  return median;
}

async function evict(index: SqliteIndex): Promise<number> {
  const roots = await index.oldestRoots({ limit: 8 });
  const doomed = await index.dropRoots(roots);
  await index.settleDoomed(doomed.map((content) => content.digest));
  return roots.length;
}

test('a large index opens at once, and answers without a stall', async () => {
  const startMs = performance.now();
  await using index = openSqliteFile(file);
  const openMs = performance.now() - startMs;
  tell('open', `${openMs.toFixed(1)} ms`);
  expect(openMs).toBeLessThan(2000);
  const slow = 100;
  expect(await measure('usage', 100, () => index.usage())).toBeLessThan(slow);
  expect(await measure('summarize a page of 100', 100, () => index.summarize({ limit: 100 }))).toBeLessThan(slow);
  expect(await measure('oldestRoots(8)', 100, () => index.oldestRoots({ limit: 8 }))).toBeLessThan(slow);
  const [repository = ''] = seeded.repositories;
  expect(await measure('listRoots(100)', 20, () => index.listRoots({ repository, limit: 100 }))).toBeLessThan(slow);
  const pull = (turn: number) => {
    const { tag, repository: of } = seeded.imageAt(turn * 997);
    return index.findTag(of, tag);
  };
  expect(await measure('findTag', 100, pull)).toBeLessThan(slow);
});

test('ten thousand images are evicted in the order of their last use, batch by batch', async () => {
  await using index = openSqliteFile(file);
  const blobs = (await index.usage()).blobs;
  const oldest = seeded.imageAt(0);
  index.noteUse({ repository: oldest.repository, digest: oldest.layers[5] ?? oldest.config, atMs: Date.now() });
  let evicted = 0;
  const medianMs = await measure('oldestRoots(8), dropRoots, settleDoomed', 10_000 / 8, async () => {
    evicted += await evict(index);
  });
  expect(medianMs).toBeLessThan(200);
  expect(evicted).toBe(10_000);
  const [next] = await index.oldestRoots({ limit: 1 });
  expect(next).toMatchObject({ digest: seeded.imageAt(10_001).manifest });
  expect(await index.findTag(oldest.repository, oldest.tag)).toBeDefined();
  // Each image has seven digests of its own.
  expect((await index.usage()).blobs).toBe(blobs - 70_000);
  const startMs = performance.now();
  expect(await index.sweep(1_000_000)).toBe(70_000);
  tell('sweep', `${Math.round(performance.now() - startMs)} ms`);
});

test('a backup holds nobody up for long, and opens as an index; what is damaged can be salvaged', async () => {
  const copy = join(directory.path, 'copy.sqlite');
  {
    await using index = openSqliteFile(file);
    const done = new AbortController();
    const startMs = performance.now();
    const backup = index.backup(copy).finally(() => done.abort());
    let longestMs = 0;
    for (let lastMs = startMs; !done.signal.aborted; ) {
      await nextTurn();
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
    await backup;
    tell('backup', `${Math.round(performance.now() - startMs)} ms, longest turn ${longestMs.toFixed(1)} ms`);
    expect(longestMs).toBeLessThan(2000);
    await using copied = openSqliteFile(copy);
    expect((await copied.usage()).blobs).toBe((await index.usage()).blobs);
  }
  const startMs = performance.now();
  const { tags, manifests, problems } = salvage(copy);
  tell('salvage', `${Math.round(performance.now() - startMs)} ms`);
  expect([tags.length, manifests.length, problems]).toEqual([IMAGES - 10_000, IMAGES - 10_000, []]);
});
