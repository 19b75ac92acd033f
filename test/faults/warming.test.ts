import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { WarmReport, WarmRequest } from '../../src/registry/operations/operations.ts';
import { seededBytes } from '../support/bytes.ts';
import { type BuiltIndex, buildImage, buildIndex, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { digestsOf, pullImage, pullIndex } from './support/built-images.ts';
import { expectContent } from './support/expectations.ts';
import { type AdminDoor, administer, imagesOf, metric, Refused } from './support/operator.ts';
import { setStage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const APP = '/v2/library/app';
const HOUR = { upstream: { freshFor: '1h' } };

/** Fetches ahead; what is not said is left out. */
function warm(door: AdminDoor, images: string[], request: Partial<WarmRequest> = {}): Promise<WarmReport> {
  return administer(door, 'POST', '/warm', { images, ...request });
}

/** What was fetched in full: GETs of manifests and blobs. */
const FETCHES = { method: 'GET', path: /\/(blobs|manifests)\// };

describe.concurrent('warming', () => {
  test('fetches an index with all its platforms: the first pull needs no upstream', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1', {
      layers: [1000, 50_000],
      platforms: ['linux/amd64', 'linux/arm/v7', 'windows/amd64'],
    });
    const report = await warm(mirror, ['app:v1']);
    expect(report).toMatchObject({ images: 1, imagesDone: 1, failures: [] });
    expect(report.blobsDone).toBe(report.blobs);
    expect(report.bytesDone).toBe(report.bytes);
    expect(report.fetchedBytes).toBeGreaterThanOrEqual(origin.blobBytesSent());
    expect(await storedDigests(mirror)).toEqual([...new Set(digestsOf(index))].toSorted());
    expect(await metric(mirror, 'entrepot_warmed_images_total', { result: 'fresh' })).toBe(1);
    await origin.stop();
    await pullIndex(mirror, APP, 'v1', index);
    expect((await ask(mirror, `${APP}/manifests/v1`, { method: 'HEAD' })).headers['cache-status']).toBe(
      'entrepot; hit',
    );
  });

  test('fetches what an index lists that is no manifest, as BuildKit keeps its cache; a pull of it fetches nothing ahead', async () => {
    await using stage = await setStage({ ...HOUR, config: { pull: { readAhead: true } } });
    const { origin, mirror } = stage;
    const { index: mediaType, layer } = IMAGE_MEDIA_TYPES.oci;
    const layers = [1000, 2000].map((size) => ({
      mediaType: layer,
      digest: origin.addBlob(seededBytes(size, `cache ${size}`)),
      size,
    }));
    const content = { schemaVersion: 2, mediaType, manifests: layers };
    const digest = origin.addManifest('library/cache', 'main', content, mediaType);
    expectContent(await ask(mirror, '/v2/library/cache/manifests/main'), digest);
    await sleep(200);
    expect(origin.requestCount({ path: /\/blobs\// })).toBe(0);
    expect((await warm(mirror, ['cache:main'])).failures).toEqual([]);
    expect(await storedDigests(mirror)).toEqual([digest, ...layers.map((each) => each.digest)].toSorted());
  });

  test('fetches the platforms that are named and nothing of the others', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const platforms = ['linux/amd64', 'linux/arm64', 'linux/arm/v6', 'linux/arm/v7'];
    const index = buildIndex(origin, 'library/app', 'v1', { platforms });
    const { failures } = await warm(mirror, ['docker.io/library/app:v1'], {
      platforms: ['linux/arm64', 'linux/arm/v7'],
    });
    expect(failures).toEqual([]);
    const [amd64, arm64, v6, v7] = index.images as [BuiltIndex['images'][0], ...BuiltIndex['images']];
    const wanted = [index.digest, ...digestsOf(arm64 as never), ...digestsOf(v7 as never)];
    expect(await storedDigests(mirror)).toEqual([...new Set(wanted)].toSorted());
    for (const image of [amd64, v6]) expect(origin.requestCount({ path: image?.digest ?? '' })).toBe(0);
    expectContent(await ask(mirror, `${APP}/manifests/v1`), index.digest);
    await pullImage(mirror, APP, amd64.digest, amd64);
  });

  test('says which image has none of the platforms', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    buildIndex(origin, 'library/app', 'v1');
    const single = buildImage(origin, 'library/single', 'v1', { seed: 9 });
    const { failures } = await warm(mirror, ['app:v1', 'single:v1'], { platforms: ['linux/riscv64'] });
    expect(failures.map(({ image }) => image)).toContain('docker.io/library/app:v1');
    for (const { error } of failures) expect(error).toContain('platform');
    expect(origin.requestCount({ path: `/blobs/${single.layers[0] ?? ''}` })).toBeLessThanOrEqual(1);
  });

  test('fetches all tags that match a pattern, and no others', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const tags = ['v1', 'v1.2', 'v2', 'latest', '1v'];
    for (const [seed, tag] of tags.entries()) buildImage(origin, 'library/app', tag, { seed });
    const { images, failures } = await warm(mirror, ['app:v1*', 'app:v1', 'app:late*t']);
    expect(failures).toEqual([]);
    expect(images).toBeGreaterThanOrEqual(3);
    const cached = await imagesOf(mirror, 'docker.io/library/app');
    expect(cached.flatMap((image) => image.tags).toSorted()).toEqual(['latest', 'v1', 'v1.2']);
  });

  test('again fetches nothing, and what moved meanwhile', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    await warm(mirror, ['app:v1']);
    await mirror.restart();
    origin.resetCounts();
    expect(await warm(mirror, ['app:v1'])).toMatchObject({ images: 1, imagesDone: 1, fetchedBytes: 0, failures: [] });
    expect(origin.requestCount(FETCHES)).toBe(0);
    const moved = buildIndex(origin, 'library/app', 'v1', { seed: 5 });
    expect((await warm(mirror, ['app:v1'])).fetchedBytes).toBeGreaterThan(0);
    await origin.stop();
    await pullIndex(mirror, APP, 'v1', moved);
    await pullIndex(mirror, APP, index.digest, index);
  });

  test('goes on where it stopped when its client left', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [400_000, 410_000, 420_000, 430_000] });
    origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 800_000 });
    const leaving = new AbortController();
    const body = JSON.stringify({ images: ['app:v1'], concurrency: 2 });
    const headers = { 'Content-Type': 'application/json' };
    const { signal } = leaving;
    const left = fetch(`${mirror.adminUrl}/api/v1/warm`, { method: 'POST', body, headers, signal });
    await origin.waitForRequests({ path: '/blobs/' }, 2);
    leaving.abort();
    await expect(left.then((response) => response.text())).rejects.toMatchObject({ name: 'AbortError' });
    origin.clearFaults();
    expect((await warm(mirror, ['app:v1'])).failures).toEqual([]);
    await origin.stop();
    await pullImage(mirror, APP, 'v1', image);
    const sent = origin.blobBytesSent();
    const size = image.layers.length * 425_000;
    expect(sent, 'each byte came once, but for what was on its way when it stopped').toBeLessThan(size * 1.5);
  });

  test('asks for so many blobs at a time', async () => {
    await using stage = await setStage({ upstream: { timeouts: { connect: '1s', headers: '10s', stall: '10s' } } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1', { layers: [1000, 1001, 1002, 1003, 1004, 1005] });
    origin.fault({ path: '/blobs/' }, { kind: 'delay', ms: 200 });
    const warming = warm(mirror, ['app:v1'], { concurrency: 2 });
    await origin.waitForRequests({ path: '/blobs/' }, 2);
    const [, second] = origin.requests.filter(({ path }) => path.includes('/blobs/'));
    origin.clearFaults();
    expect((await warming).failures).toEqual([]);
    const early = origin.requests.filter(({ path, at }) => path.includes('/blobs/') && at < (second?.at ?? 0) + 150);
    expect(early).toHaveLength(2);
  });

  test('reports what failed, and fetches the rest', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const good = buildImage(origin, 'library/good', 'v1');
    const holed = buildImage(origin, 'library/holed', 'v1', { seed: 2, layers: [1000, 2000] });
    const wrong = buildImage(origin, 'library/wrong', 'v1', { seed: 3, layers: [3000] });
    origin.deleteBlob(holed.layers[0] ?? '');
    origin.fault({ path: wrong.layers[0] ?? '' }, { kind: 'corrupt' });
    const images = ['none:v1', 'holed:v1', 'good:v1', 'wrong:v1', 'none:*'];
    const report = await warm(mirror, images);
    const failed = report.failures.map(({ image }) => image.replace('docker.io/library/', ''));
    expect(failed.toSorted()).toEqual(['holed:v1', 'none:*', 'none:v1', 'wrong:v1']);
    for (const { error } of report.failures) expect(error).not.toBe('');
    expect(await metric(mirror, 'entrepot_warmed_images_total', { result: 'failed' })).toBeGreaterThanOrEqual(3);
    await origin.stop();
    await pullImage(mirror, '/v2/good', 'v1', good);
    expect((await warm(mirror, ['good:v2'])).failures).toHaveLength(1);
    expectContent(await ask(mirror, `/v2/holed/blobs/${holed.layers[1] ?? ''}`), holed.layers[1] ?? '');
  });

  test('says so when no tag matches', async () => {
    await using stage = await setStage();
    buildImage(stage.origin, 'library/app', 'v1');
    const { failures } = await warm(stage.mirror, ['app:w*']);
    expect(failures).toHaveLength(1);
    expect(await metric(stage.mirror, 'entrepot_warmed_images_total', { result: 'failed' })).toBe(1);
  });

  test('counts, fetches and asks about an image once, however often and in whatever way it is named', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'latest');
    await warm(mirror, ['app']);
    origin.resetCounts();
    const names = ['app', 'library/app', 'docker.io/app:latest', 'index.docker.io/library/app', 'app:late*', 'app'];
    expect(await warm(mirror, names)).toMatchObject({ images: 1, imagesDone: 1, blobs: 2, failures: [] });
    expect(origin.requestCount({ path: '/manifests/' })).toBe(1);
    expect(await warm(mirror, [`app@${image.digest}`, `app:latest@${image.digest}`])).toMatchObject({ images: 1 });
  });

  test('names the variant too of a platform that an image does not have', async () => {
    await using stage = await setStage(HOUR);
    buildIndex(stage.origin, 'library/app', 'v1');
    const { failures } = await warm(stage.mirror, ['app:v1'], { platforms: ['linux/arm/v6', 'linux/riscv64'] });
    expect(failures.map(({ error }) => error)).toEqual(['it has none of the platforms linux/arm/v6, linux/riscv64']);
  });

  test('of what is hosted here is refused: there is no upstream', async () => {
    await using stage = await setStage({ config: { hosted: ['local'] } });
    for (const image of ['local/app:v1', 'local/app:*']) {
      const refusal = await warm(stage.mirror, ['app:v1', image]).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'INVALID', message: expect.stringContaining('is hosted here') });
    }
    expect(stage.origin.requests).toEqual([]);
  });

  test('of what is no image here is refused, and nothing of the others is fetched', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    for (const image of [
      'unknown.example/app:v1',
      'unknown.example:5000/app',
      'a b',
      'app:v1@sha256:12',
      'APP:v1',
      'app:',
    ]) {
      const refusal = await warm(mirror, ['app:v1', image]).catch((error: unknown) => error);
      expect(refusal, image).toBeInstanceOf(Refused);
      // Told at the end of a stream, whose status was sent before.
      expect((refusal as Refused).code, image).toMatch(/^(INVALID|NAME_UNKNOWN|NOT_FOUND)$/);
    }
    expect(origin.requests).toEqual([]);
  });

  test('by digest fetches that image', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expect((await warm(mirror, [`app@${image.digest}`])).failures).toEqual([]);
    await origin.stop();
    await pullImage(mirror, APP, image.digest, image);
  });
});
