import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { diskUsage } from '../e2e/support/disk-usage.ts';
import { watch } from '../e2e/support/watch.ts';
import { ask } from './support/ask.ts';
import { expectContent } from './support/expectations.ts';
import { metric, settle, statusOf, upstreamOf } from './support/operator.ts';
import { cacheStatus, contentOf, publish, publishSized, pull, pullBlob } from './support/pull.ts';
import { setStage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const MIB = 1024 * 1024;
const STORED = 'entrepot; fwd=miss; stored';
const BYPASS = 'entrepot; fwd=bypass';

describe('the quota', () => {
  test('is never exceeded by anything on the disk under twenty pulls at once of more than fits', async () => {
    const quota = 7 * MIB;
    await using stage = await setStage({ config: { storage: { path: './data', minFree: 0, quota } } });
    const { origin, mirror } = stage;
    const base = seededBytes(MIB, 'the base of all');
    const images = Array.from({ length: 20 }, (_, n) =>
      publish(origin, `library/app-${n}`, 'v1', [base, seededBytes(400_000 + n * 10_000, `own ${n}`)]),
    );
    let peak = { bytes: 0, parts: {} };
    const watching = watch(() => {
      const usage = diskUsage(mirror.path);
      if (usage.bytes > peak.bytes) peak = usage;
    }, 5);
    await Promise.all(images.map((image) => pull(mirror, image)));
    await Promise.all(images.map((image) => pull(mirror, image)));
    watching[Symbol.dispose]();
    expect(watching.looks).toBeGreaterThan(10);
    expect(peak.bytes, JSON.stringify(peak.parts)).toBeLessThanOrEqual(quota);
    expect((await statusOf(mirror)).disk.contentBytes).toBeGreaterThan(2 * MIB);
  });

  test('is never exceeded by many small blobs, whose folders take room too', async () => {
    const quota = 3 * MIB;
    await using stage = await setStage({ config: { storage: { path: './data', minFree: 0, quota } } });
    const { origin, mirror, name } = stage;
    let peak = { bytes: 0, parts: {} };
    for (let batch = 0; batch < 20; batch++) {
      const blobs = Array.from({ length: 10 }, (_, n) => origin.addBlob(seededBytes(16_000, `${batch} ${n}`)));
      await Promise.all(blobs.map((blob) => pullBlob(mirror, name, blob)));
      const usage = diskUsage(mirror.path);
      if (usage.bytes > peak.bytes) peak = usage;
    }
    expect(peak.bytes, JSON.stringify(peak.parts)).toBeLessThanOrEqual(quota);
  });

  test('counts the folders that many small blobs have left behind', async () => {
    const quota = 3 * MIB;
    await using stage = await setStage({ config: { storage: { path: './data', minFree: 0, quota } } });
    const { origin, mirror, name } = stage;
    const blobs = Array.from({ length: 160 }, (_, n) => origin.addBlob(seededBytes(6000, `small ${n}`)));
    for (let n = 0; n < blobs.length; n += 10) {
      await Promise.all(blobs.slice(n, n + 10).map((blob) => pullBlob(mirror, name, blob)));
    }
    for (const restart of [false, true]) {
      if (restart) await mirror.restart();
      await pull(mirror, publishSized(origin, 'library/large', `v1-${restart}`, Math.floor(1.9 * MIB)));
      const usage = diskUsage(mirror.path);
      expect(usage.bytes, JSON.stringify(usage.parts)).toBeLessThanOrEqual(quota);
    }
  });

  test('lets the last image come in by evicting others of the same repository', async () => {
    const quota = 8 * MIB;
    await using stage = await setStage({ config: { storage: { path: './data', minFree: 0, quota } } });
    const { origin, mirror, name } = stage;
    const images = Array.from({ length: 10 }, (_, n) => publishSized(origin, name, `v${n}`, MIB));
    for (const image of images) expect(await pull(mirror, image)).toEqual([STORED, STORED]);
    await settle(mirror);
    expect(await storedDigests(mirror)).toEqual(expect.arrayContaining(contentOf(...images.slice(-3))));
  });

  test('that is lower after a restart is kept to soon, and what was used last stays', async () => {
    await using data = await temporaryDirectory();
    await using origin = await startOrigin();
    const storage = { path: data.path, minFree: 0 };
    const images = Array.from({ length: 8 }, (_, n) => publishSized(origin, `library/app-${n}`, 'v1', MIB));
    {
      await using roomy = await startMirror(origin, { config: { storage: { ...storage, quota: 20 * MIB } } });
      for (const image of images) await pull(roomy, image);
      const [first] = images;
      await settle(roomy);
      await pullBlob(roomy, first?.name ?? '', first?.layers[0] ?? '');
    }
    const quota = 5 * MIB;
    await using mirror = await startMirror(origin, { config: { storage: { ...storage, quota } } });
    await expect.poll(() => diskUsage(data.path).bytes, { timeout: 5000 }).toBeLessThanOrEqual(quota);
    const stored = await storedDigests(data);
    const [first, second, ...others] = images;
    if (!first || !second) throw new Error('no images');
    expect(stored).toEqual(expect.arrayContaining(contentOf(first, ...others.slice(-2))));
    expect(stored).not.toContain(second.layers[0]);
    await origin.stop();
    await pull(mirror, first);
  });

  test('does not make a download that a restart broke off begin anew, nor anything go for it', async () => {
    await using stage = await setStage({ config: { storage: { path: './data', minFree: 0, quota: 6 * MIB } } });
    const { origin, mirror } = stage;
    const small = publishSized(origin, 'library/small', 'v1', 100_000);
    const large = publishSized(origin, 'library/large', 'v1', 4 * MIB);
    const [layer = ''] = large.layers;
    await pull(mirror, small);
    expectContent(await ask(mirror, `/v2/${large.name}/manifests/v1`), large.digest);
    origin.fault({ path: layer }, { kind: 'slow', bytesPerSecond: 8 * MIB });
    const leaving = new AbortController();
    const pulling = fetch(`${mirror.url}/v2/${large.name}/blobs/${layer}`, { signal: leaving.signal });
    const arrived = pulling.then((answer) => answer.arrayBuffer()).catch(() => undefined);
    await expect.poll(() => origin.blobBytesSent(layer), { interval: 10 }).toBeGreaterThan(2.8 * MIB);
    leaving.abort();
    await arrived;
    await mirror.restart();
    origin.clearFaults();
    await expect.poll(() => storedDigests(mirror), { timeout: 5000 }).toContain(layer);
    // What was under way when it broke off comes twice.
    expect(origin.blobBytesSent(layer)).toBeLessThan(5 * MIB);
    expect(await storedDigests(mirror)).toEqual(contentOf(small, large).filter((digest) => digest !== large.config));
  });

  test('of one MiB lets layers through, however often they are asked for', async () => {
    await using stage = await setStage({ config: { storage: { path: './data', minFree: 0, quota: MIB } } });
    const { origin, mirror } = stage;
    const image = publishSized(origin, 'library/app', 'v1', 2 * MIB);
    for (const _ of [1, 2]) expect((await pull(mirror, image)).at(-1)).toBe(BYPASS);
    expect(await storedDigests(mirror)).not.toContain(image.layers[0]);
  });

  test('goes down to the low watermark when it was reached', async () => {
    const quota = 10 * MIB;
    const storage = { path: './data', minFree: 0, quota, lowWatermark: '50%' };
    await using stage = await setStage({ config: { storage } });
    const { origin, mirror } = stage;
    const images = Array.from({ length: 12 }, (_, n) => publishSized(origin, `library/app-${n}`, 'v1', MIB));
    for (const image of images) await pull(mirror, image);
    await settle(mirror);
    const { contentBytes, otherBytes } = (await statusOf(mirror)).disk;
    expect(contentBytes + otherBytes, 'an image came after the quota was reached').toBeLessThanOrEqual(quota - 2 * MIB);
    expect(await storedDigests(mirror)).toEqual(expect.arrayContaining(contentOf(...images.slice(-3))));
  });
});

describe('the quota of an upstream', () => {
  test('evicts its own images only, and streams through what is larger', async () => {
    await using hub = await startOrigin();
    await using quay = await startOrigin();
    const upstreams = {
      'docker.io': { url: hub.url, default: true },
      'quay.io': { url: quay.url, quota: 3 * MIB },
    };
    await using mirror = await startMirror(hub, { config: { upstreams, pull: { readAhead: false } } });
    const others = [1, 2, 3, 4].map((n) => publishSized(hub, `library/app-${n}`, 'v1', MIB));
    for (const image of others) await pull(mirror, image);
    const mine = [1, 2, 3, 4, 5].map((n) => publishSized(quay, `team/app-${n}`, 'v1', MIB));
    for (const image of mine) await pull(mirror, { ...image, name: `quay.io/${image.name}` });
    await settle(mirror);
    const { contentBytes, quotaBytes } = await upstreamOf(mirror, 'quay.io');
    expect(quotaBytes).toBe(3 * MIB);
    expect(contentBytes).toBeLessThanOrEqual(3 * MIB);
    expect(contentBytes).toBeGreaterThan(MIB);
    const stored = await storedDigests(mirror);
    expect(stored).toEqual(expect.arrayContaining(contentOf(...others, ...mine.slice(-1))));
    expect(stored).not.toContain(mine[0]?.layers[0]);

    const large = quay.addBlob(seededBytes(4 * MIB, 'too large for its upstream'));
    const answer = await ask(mirror, `/v2/quay.io/team/app-1/blobs/${large}`);
    expectContent(answer, large);
    expect(cacheStatus(answer)).toBe(BYPASS);
    await expect.poll(() => metric(mirror, 'entrepot_bypasses_total', { upstream: 'quay.io' })).toBe(1);
    expect(await metric(mirror, 'entrepot_bypasses_total', { reason: 'upstream-quota' })).toBe(1);
    expect((await upstreamOf(mirror, 'quay.io')).contentBytes, 'nothing had to go for it').toBe(contentBytes);
  });

  test('is not made room under for what cannot fit beside what is pinned', async () => {
    await using origin = await startOrigin();
    const config = { pins: ['docker.io/library/pinned:*'], pull: { readAhead: false } };
    await using mirror = await startMirror(origin, { upstream: { quota: 6 * MIB }, config });
    await pull(mirror, publishSized(origin, 'library/pinned', 'v1', 3 * MIB));
    const others = [1, 2, 3].map((n) => publishSized(origin, `library/app-${n}`, 'v1', MIB / 4));
    for (const image of others) await pull(mirror, image);
    const large = publishSized(origin, 'library/large', 'v1', 4 * MIB);
    expect((await pull(mirror, large)).at(-1)).toBe(BYPASS);
    await settle(mirror);
    expect(await storedDigests(mirror)).toEqual(expect.arrayContaining(contentOf(...others)));
    // What fits comes in.
    expect((await pull(mirror, publishSized(origin, 'library/fits', 'v1', 2.5 * MIB))).at(-1)).toBe(STORED);
  });
});
