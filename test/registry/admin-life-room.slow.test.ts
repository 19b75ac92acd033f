import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { AdminClient } from '../../src/cli/admin/admin-client.ts';
import type { GarbageReport, RemovalProgress, VerifyReport } from '../../src/registry/operations/operations.ts';
import { ask } from '../faults/support/ask.ts';
import {
  digestsOf,
  pullImage,
  pullIndex,
  storeImage,
  storeSharing,
  untilStored,
} from '../faults/support/built-images.ts';
import { expectContent } from '../faults/support/expectations.ts';
import { type AdminDoor, administer, evict, imagesOf, metric, statusOf } from '../faults/support/operator.ts';
import { setStage } from '../faults/support/stage.ts';
import { fileOf, ingestFiles, storedDigests } from '../faults/support/stored-files.ts';
import { seededBytes } from '../support/bytes.ts';
import { type BuiltImage, buildImage, buildIndex } from '../support/images.ts';
import type { Origin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const APP = '/v2/library/app';
const HOUR = { upstream: { freshFor: '1h' } };
const DAY_MS = 24 * 3_600_000;

const LAYER_BYTES = 500_000;

/** Images of one large layer each, pulled one after another. */
async function bringFive(door: AdminDoor & { url: string }, origin: Origin): Promise<BuiltImage[]> {
  const images: BuiltImage[] = [];
  for (const [seed, tag] of ['v1', 'v2', 'v3', 'v4', 'v5'].entries()) {
    const image = buildImage(origin, 'library/app', tag, { seed, layers: [LAYER_BYTES] });
    await storeImage(door, APP, tag, image);
    images.push(image);
  }
  return images;
}

function collect(door: AdminDoor, dryRun = false): Promise<GarbageReport> {
  return administer(door, 'POST', '/gc', { dryRun });
}

function verify(door: AdminDoor, request: object): Promise<VerifyReport> {
  return administer(door, 'POST', '/verify', request);
}

afterEach(() => {
  vi.useRealTimers();
});

describe('an eviction by hand', () => {
  test('takes the images used longest ago until so much is used, as its dry run said', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const images = await bringFive(mirror, origin);
    // A use of the oldest makes it the newest, also of a part of it alone.
    await ask(mirror, `${APP}/manifests/v1`, { method: 'HEAD' });
    await ask(mirror, `${APP}/blobs/${images[1]?.config}`);
    const { contentBytes, inFlightBytes, otherBytes } = (await statusOf(mirror)).disk;
    const toBytes = contentBytes + inFlightBytes + otherBytes - 1.5 * LAYER_BYTES;
    const dry = await evict(mirror, toBytes, true);
    expect(await storedDigests(mirror)).toEqual(images.flatMap(digestsOf).toSorted());
    const report = await evict(mirror, toBytes);
    expect(report).toEqual({ ...dry, isDryRun: false, blobs: 6 });
    expect(report.images.map(({ tags }) => tags)).toEqual([['v3'], ['v4']]);
    expect(report).toMatchObject({ imageCount: 2, blobs: 6, pinned: 0 });
    const kept = images.filter((_, number) => ![2, 3].includes(number));
    expect(await storedDigests(mirror)).toEqual(kept.flatMap(digestsOf).toSorted());
    expect(contentBytes - (await statusOf(mirror)).disk.contentBytes).toBeGreaterThanOrEqual(report.freedBytes);
    expect(await metric(mirror, 'entrepot_removed_images_total', { cause: 'evicted' })).toBe(2);
  });

  test('to nothing takes everything, to more than there is nothing', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', index);
    expect(await evict(mirror, 1024 ** 3)).toMatchObject({ imageCount: 0, blobs: 0, freedBytes: 0 });
    const report = await evict(mirror, 0);
    expect(report).toMatchObject({ imageCount: 1, blobs: digestsOf(index).length });
    expect(await storedDigests(mirror)).toEqual([]);
    await pullIndex(mirror, APP, 'v1', index);
  });

  test('says in a dry run how many blobs would go', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', index);
    expect((await evict(mirror, 0, true)).blobs).toBe(digestsOf(index).length);
  });

  test('frees what its dry run said, where images share a layer', async () => {
    await using stage = await setStage(HOUR);
    await storeSharing(stage, ['library/app:a', 'library/app:b', 'library/other:c']);
    const dry = await evict(stage.mirror, 0, true);
    expect((await evict(stage.mirror, 0)).freedBytes).toBe(dry.freedBytes);
  });

  test('says how many pinned ones it passed over', async () => {
    await using stage = await setStage({ ...HOUR, config: { pins: ['docker.io/library/app:v1'] } });
    const { origin, mirror } = stage;
    await bringFive(mirror, origin);
    const dry = await evict(mirror, 0, true);
    const report = await evict(mirror, 0);
    expect([dry.pinned, report.pinned]).toEqual([1, 1]);
    expect([dry.imageCount, report.imageCount]).toEqual([4, 4]);
  });
});

test('an eviction by hand ends when its client goes: the images that it did not come to stay', async () => {
  await using stage = await setStage(HOUR);
  const { origin, mirror } = stage;
  const count = 60;
  for (let number = 0; number < count; number += 1) {
    await storeImage(mirror, APP, `v${number}`, buildImage(origin, 'library/app', `v${number}`, { seed: number }));
  }
  const leaving = new AbortController();
  const client = new AdminClient({ url: new URL(mirror.adminUrl) });
  const onProgress = ({ share, imageCount }: RemovalProgress) => {
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThanOrEqual(1);
    expect(imageCount).toBeGreaterThan(0);
    leaving.abort();
  };
  const work = { signal: leaving.signal, onProgress };
  await expect(client.evict({ toBytes: 0, dryRun: false }, work)).rejects.toMatchObject({ name: 'AbortError' });
  await sleep(100);
  const left = (await imagesOf(mirror, 'docker.io/library/app')).length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(count);
  await sleep(500);
  expect(await imagesOf(mirror, 'docker.io/library/app')).toHaveLength(left);
  expect(await evict(mirror, 0)).toMatchObject({ imageCount: left });
});

describe('garbage collection', () => {
  test('takes what no manifest refers to and nobody has pulled lately, as its dry run said', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await using stage = await setStage({ upstream: { freshFor: 'forever' } });
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    const loose = ['a', 'b'].map((name) => origin.addBlob(seededBytes(5000, name)));
    await storeImage(mirror, APP, 'v1', index);
    for (const digest of loose) expectContent(await ask(mirror, `${APP}/blobs/${digest}`), digest);
    await untilStored(mirror);
    expect(await collect(mirror)).toMatchObject({ looseBlobs: 0, freedBytes: 0 });

    vi.setSystemTime(Date.now() + 2 * DAY_MS);
    expectContent(await ask(mirror, `${APP}/blobs/${loose[0]}`), loose[0] ?? '');
    const dry = await collect(mirror, true);
    expect(dry).toMatchObject({ isDryRun: true, looseBlobs: 1 });
    expect(dry.freedBytes).toBeGreaterThanOrEqual(5000);
    expect(await storedDigests(mirror)).toHaveLength(digestsOf(index).length + 2);
    const report = await collect(mirror);
    expect(report).toEqual({ ...dry, isDryRun: false, rows: report.rows });
    expect(await storedDigests(mirror)).toEqual([...digestsOf(index), loose[0] ?? ''].toSorted());
    origin.resetCounts();
    await pullIndex(mirror, APP, 'v1', index);
    expect(origin.requests).toEqual([]);
  });

  test('takes downloads that were broken off long ago, and goes on with those of today', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await using stage = await setStage({ upstream: { freshFor: 'forever', retries: 0 } });
    const { origin, mirror } = stage;
    const bytes = seededBytes(300_000, 'interrupted');
    const blob = origin.addBlob(bytes);
    origin.fault({ path: '/blobs/' }, { kind: 'reset', afterBytes: 200_000 }, { times: 1 });
    origin.fault({ path: '/blobs/' }, { kind: 'status', status: 404 });
    await ask(mirror, `${APP}/blobs/${blob}`);
    await untilStored(mirror);
    origin.clearFaults();
    expect((await ingestFiles(mirror)).length).toBeGreaterThan(0);
    expect(await collect(mirror)).toMatchObject({ interruptedIngests: 0 });
    vi.setSystemTime(Date.now() + 2 * DAY_MS);
    const dry = await collect(mirror, true);
    expect(dry).toMatchObject({ interruptedIngests: 1 });
    expect((await ingestFiles(mirror)).length).toBeGreaterThan(0);
    const report = await collect(mirror);
    expect(report).toEqual({ ...dry, isDryRun: false, rows: report.rows });
    expect(await ingestFiles(mirror)).toEqual([]);
    expect((await statusOf(mirror)).disk.inFlightBytes).toBe(0);
    expectContent(await ask(mirror, `${APP}/blobs/${blob}`), blob);
  });

  test('leaves images that were pulled long ago, tagged or not', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await using stage = await setStage({ upstream: { freshFor: 'forever' } });
    const { origin, mirror } = stage;
    const tagged = buildImage(origin, 'library/app', 'v1');
    const untagged = buildImage(origin, 'library/app', undefined, { seed: 2 });
    await storeImage(mirror, APP, 'v1', tagged);
    await storeImage(mirror, APP, untagged.digest, untagged);
    vi.setSystemTime(Date.now() + 400 * DAY_MS);
    expect(await collect(mirror)).toMatchObject({ looseBlobs: 0, freedBytes: 0 });
    expect(await storedDigests(mirror)).toEqual([tagged, untagged].flatMap(digestsOf).toSorted());
  });
});

describe('verify', () => {
  test('of a digest that is not in this repository says so: nothing was hashed', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', image);
    expect(await verify(mirror, { image: `app@${image.digest}` })).toMatchObject({ blobs: 3, damaged: [] });
    for (const name of [`app@sha256:${'ab'.repeat(32)}`, `other@${image.digest}`]) {
      await expect(verify(mirror, { image: name }), name).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('finds what is damaged and what is missing, and fetches it again', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [10_000, 20_000] });
    const other = buildImage(origin, 'library/other', 'v1', { seed: 5, layers: [10_000] });
    await storeImage(mirror, APP, 'v1', image);
    await storeImage(mirror, '/v2/other', 'v1', other);
    const [first = '', second = ''] = image.layers;
    const [foreign = ''] = other.layers;
    const bytes = await readFile(fileOf(mirror, first));
    bytes[77] = (bytes[77] ?? 0) ^ 1;
    await writeFile(fileOf(mirror, first), bytes);
    await writeFile(fileOf(mirror, second), 'short');
    const spoiled = await readFile(fileOf(mirror, foreign));
    await writeFile(fileOf(mirror, foreign), spoiled.fill(0, 0, 10));

    const report = await verify(mirror, { image: 'app:v1' });
    expect(report).toMatchObject({ blobs: 4, blobsDone: 4, missing: [] });
    expect(report.damaged.toSorted()).toEqual([first, second].toSorted());
    expect(report.healed.toSorted()).toEqual([first, second].toSorted());
    await origin.stop();
    await pullImage(mirror, APP, 'v1', image);
    await origin.restart();
    expect(await verify(mirror, { repository: 'other' })).toMatchObject({ damaged: [foreign], healed: [foreign] });
    const clean = await verify(mirror, {});
    expect(clean).toMatchObject({ damaged: [], missing: [], healed: [] });
    expect(clean.blobs).toBe(digestsOf(image).length + digestsOf(other).length);
  });
});

describe('a backup', () => {
  test('is a database with our rows, made while images are pulled', async () => {
    await using stage = await setStage(HOUR);
    await using folder = await temporaryDirectory();
    const { origin, mirror } = stage;
    await bringFive(mirror, origin);
    await administer(mirror, 'POST', '/pins', { pattern: 'app:v1' });
    const more = buildImage(origin, 'library/more', 'v1', { seed: 9, layers: [50_000] });
    const [response] = await Promise.all([
      fetch(`${mirror.adminUrl}/api/v1/backup`),
      pullImage(mirror, '/v2/more', 'v1', more),
    ]);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/vnd.sqlite3']);
    const file = join(folder.path, 'copy.sqlite');
    await writeFile(file, Buffer.from(await response.arrayBuffer()));
    using database = open(file);
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    const tags = database.prepare("SELECT COUNT(*) AS count FROM tag WHERE name LIKE 'v_'").get() as { count: number };
    expect(tags.count).toBeGreaterThanOrEqual(5);
  });
});

function open(file: string): Database.Database & Disposable {
  const database = new Database(file, { readonly: true });
  return Object.assign(database, { [Symbol.dispose]: () => database.close() });
}
