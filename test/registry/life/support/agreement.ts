/* oxlint-disable oxc/no-map-spread */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { MetadataIndex } from '../../../../src/metadata/metadata-index.ts';
import { digestOf } from '../../../../src/oci/digest.ts';
import { wholeRoots } from './eviction-judge.ts';
import type { Life } from './life.ts';
import { nameOf, QUOTA_REGISTRY, REGISTRIES } from './universe.ts';

const BLOCK_BYTES = 4096;
const TRIES = 5;

/** Index, disk and figures agree, while nothing goes on; spoiled content is forgiven until it has been found. */
export async function expectAgreement(life: Life): Promise<void> {
  for (let left = TRIES; ; left -= 1) {
    await life.settle();
    expect(life.takeViolations()).toEqual([]);
    try {
      await expectAgreementNow(life);
      return;
    } catch (error) {
      // Something may have begun just now.
      if (left === 0) throw error;
    }
  }
}

async function expectAgreementNow(life: Life): Promise<void> {
  const { index, store } = life.mirror;
  const rows = await storedRows(index);
  const files = storedFiles(life.path);
  forgive(life, rows, files);
  const isSound = ([digest]: [string, unknown]) => !life.spoiled.has(digest);
  expect([...files].filter(isSound).map(sized)).toEqual([...rows].filter(isSound));
  for (const [digest, bytes] of [...files].filter(isSound)) expect(digestOf(bytes)).toBe(digest);
  expect(await index.listDoomed(10)).toEqual([]);
  await expectNothingDangling(life, rows);
  const interrupted = await store.interrupted();
  expect(namesIn(join(life.path, 'ingest'))).toEqual(
    interrupted
      .flatMap(({ digest }) => ['.json', '.part'].map((end) => `${digest.replace(':', '-')}${end}`))
      .toSorted(),
  );
  if (life.spoiled.size === 0) await expectFigures(life, rows);
}

/** Each tag has its manifest, and each content a root that needs it. */
async function expectNothingDangling(life: Life, rows: ReadonlyMap<string, number>): Promise<void> {
  const { index } = life.mirror;
  const roots = await wholeRoots(index);
  for (const { repository, tags, digest } of roots) {
    expect(await index.listTags(repository)).toEqual(expect.arrayContaining([...tags]));
    for (const tag of tags) {
      const row = await index.findTag(repository, tag);
      if (!life.lost.has(digest)) expect(row, `${repository}:${tag}`).toMatchObject({ digest });
    }
  }
  for (const repository of await index.listRepositories({ limit: 100 })) {
    const rooted = roots.flatMap((root) => (root.repository === repository ? root.tags : []));
    expect(await index.listTags(repository)).toEqual(rooted.toSorted());
  }
  const adopted = (await index.listRoots({ repository: '', limit: 1000 })).map(({ digest }) => digest);
  const needed = new Set([...adopted, ...roots.flatMap(({ parts }) => [...parts])]);
  expect([...rows.keys()].filter((digest) => !needed.has(digest as never)).map(nameOf)).toEqual([]);
}

async function expectFigures(life: Life, rows: ReadonlyMap<string, number>): Promise<void> {
  const { index, registry, store } = life.mirror;
  const { disk, upstreams } = await registry.operations.status();
  expect({ contentBytes: disk.contentBytes, blobs: disk.blobs }).toEqual({
    contentBytes: sum([...rows.values()].map(inBlocks)),
    blobs: rows.size,
  });
  const roots = await wholeRoots(index);
  for (const name of REGISTRIES) {
    const inRegistry = roots.filter(({ repository }) => repository.startsWith(`${name}/`));
    const digests = new Set(inRegistry.flatMap(({ parts }) => [...parts]));
    const contentBytes = sum([...digests].map((digest) => inBlocks(rows.get(digest) ?? 0)));
    expect(upstreams.find((one) => one.name === name)).toMatchObject({ contentBytes });
    if (name === QUOTA_REGISTRY) expect(contentBytes).toBeLessThanOrEqual(life.setup.registryQuotaBytes);
  }
  const interrupted = await store.interrupted();
  expect(disk.inFlightBytes).toBeGreaterThanOrEqual(sum(interrupted.map(({ sizeBytes }) => sizeBytes)) - 4096);
}

/** What was damaged and is right again, or gone from both, is damaged no more. */
function forgive(life: Life, rows: ReadonlyMap<string, number>, files: ReadonlyMap<string, Buffer>): void {
  for (const digest of life.spoiled) {
    const bytes = files.get(digest);
    const isGone = bytes === undefined && !rows.has(digest);
    const isRight = bytes !== undefined && digestOf(bytes) === digest && rows.get(digest) === bytes.length;
    if (isRight || isGone) life.spoiled.delete(digest);
    if (isRight) life.lost.delete(digest);
  }
  for (const digest of life.lost) if (rows.has(digest) && !life.spoiled.has(digest)) life.lost.delete(digest);
}

/** Sizes by digest, as the index has them. */
export async function storedRows(index: MetadataIndex): Promise<Map<string, number>> {
  const rows = await index.listBlobs('', 10_000);
  return new Map(rows.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
}

/** Bytes by digest, as the disk has them. */
function storedFiles(path: string): Map<string, Buffer> {
  const blobs = join(path, 'blobs', 'sha256');
  const folders = namesIn(blobs);
  return new Map(
    folders.flatMap((folder) =>
      namesIn(join(blobs, folder)).map((name) => [`sha256:${name}`, readFileSync(join(blobs, folder, name))]),
    ),
  );
}

function namesIn(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false }) ? readdirSync(folder).toSorted() : [];
}

function sized([digest, bytes]: [string, Buffer]): [string, number] {
  return [digest, bytes.length];
}

function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
