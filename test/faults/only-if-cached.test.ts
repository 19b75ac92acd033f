import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { NOT_CACHED_STATUS } from '../../src/util/only-if-cached.ts';
import { buildImage } from '../support/images.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { type AskOptions, ask, type ClientAnswer, type Door } from './support/ask.ts';
import { eventually } from './support/eventually.ts';
import { expectOutcome, storeImage } from './support/built-images.ts';
import { expectContent, expectErrorBody } from './support/expectations.ts';
import { imagesOf } from './support/operator.ts';
import { setStage } from './support/stage.ts';
import { fileOf, rot, VISIBLE_DAMAGE } from './support/stored-files.ts';

const APP = '/v2/library/app';
const NONE = `sha256:${'0'.repeat(64)}`;

/** Asks for what is in the store. */
function askStore(door: Door, path: string, { headers, ...options }: AskOptions = {}): Promise<ClientAnswer> {
  return ask(door, path, { ...options, headers: { 'Cache-Control': 'only-if-cached', ...headers } });
}

async function expectNotCached(door: Door, path: string): Promise<void> {
  const answer = await askStore(door, path);
  expect([path, answer.status, answer.headers['cache-status']]).toEqual([path, 504, NOT_CACHED_STATUS]);
  expectErrorBody(answer, 'UNKNOWN');
  const head = await askStore(door, path, { method: 'HEAD' });
  expect([path, head.status, head.headers['cache-status']]).toEqual([path, 504, NOT_CACHED_STATUS]);
}

async function setImage() {
  const stage = await setStage({
    from: { referrers: true },
    config: { pull: { readAhead: false, notFoundFor: '0s', hotManifests: 0 } },
  });
  const { origin, mirror } = stage;
  const image = buildImage(origin, 'library/app', 'v1', { layers: [50_000] });
  await storeImage(mirror, APP, 'v1', image);
  origin.resetCounts();
  return { ...stage, image, layer: image.layers[0] ?? '' };
}

describe.concurrent('a client that wants it only if it is cached', () => {
  test('gets what is in the store, whatever its age, and nobody else is asked', async () => {
    await using stage = await setImage();
    const { origin, mirror, image, layer } = stage;
    buildImage(origin, 'library/app', 'v1', { seed: 2 });
    for (const path of ['manifests/v1', `manifests/${image.digest}`]) {
      const answer = await askStore(mirror, `${APP}/${path}`);
      expectContent(answer, image.digest);
      expectOutcome(answer, 'hit');
      expect(answer.headers['age']).toMatch(/^\d+$/);
      expect((await askStore(mirror, `${APP}/${path}`, { method: 'HEAD' })).headers['docker-content-digest']).toBe(
        image.digest,
      );
    }
    expectContent(await askStore(mirror, `${APP}/blobs/${layer}`), layer);
    const head = await askStore(mirror, `${APP}/blobs/${layer}`, { method: 'HEAD' });
    expect([head.status, head.headers['content-length']]).toEqual([200, '50000']);
    const part = await askStore(mirror, `${APP}/blobs/${layer}`, { headers: { Range: 'bytes=100-199' } });
    expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 100-199/50000']);
    const unchanged = { 'If-None-Match': `"${layer}"` };
    expect((await askStore(mirror, `${APP}/blobs/${layer}`, { headers: unchanged })).status).toBe(304);
    expect(origin.requests).toEqual([]);
  });

  test('is told of the rest that it is not there, and nobody else is asked', async () => {
    await using stage = await setImage();
    const { origin, mirror } = stage;
    const absent = buildImage(origin, 'library/app', 'v2', { seed: 2 });
    for (const path of [
      'app/manifests/v2',
      `app/manifests/${absent.digest}`,
      `app/blobs/${absent.config}`,
      `app/manifests/${NONE}`,
      `app/blobs/${NONE}`,
      `app/referrers/${absent.digest}`,
      'none/manifests/v1',
      'none/tags/list',
    ]) {
      await expectNotCached(mirror, `/v2/library/${path}`);
    }
    expect(origin.requests).toEqual([]);
  });

  test('gets lists as far as they are known', async () => {
    await using stage = await setImage();
    const { origin, mirror, image } = stage;
    const tags = async () => JSON.parse((await askStore(mirror, `${APP}/tags/list`)).body.toString()) as unknown;
    expect(await tags()).toEqual({ name: 'library/app', tags: ['v1'] });
    await expectNotCached(mirror, `${APP}/referrers/${image.digest}`);
    buildImage(origin, 'library/app', 'v0', { seed: 2 });
    await ask(mirror, `${APP}/tags/list`);
    await ask(mirror, `${APP}/referrers/${image.digest}`);
    buildImage(origin, 'library/app', 'v2', { seed: 3 });
    origin.resetCounts();
    expect(await tags()).toEqual({ name: 'library/app', tags: ['v0', 'v1'] });
    const referrers = await askStore(mirror, `${APP}/referrers/${image.digest}`);
    expect(JSON.parse(referrers.body.toString())).toMatchObject({ manifests: [] });
    expect(origin.requests).toEqual([]);
  });

  test('does not see into repositories that it did not name', async () => {
    await using stage = await setImage();
    const { origin, mirror, image, layer } = stage;
    buildImage(origin, 'library/other', 'v1', { layers: [50_000] });
    for (const path of [`manifests/${image.digest}`, `blobs/${image.digest}`, `blobs/${layer}`]) {
      await expectNotCached(mirror, `/v2/library/other/${path}`);
    }
    expect(origin.requests).toEqual([]);
  });

  test.each(VISIBLE_DAMAGE)('gets nothing that is $name', async ({ befall }) => {
    await using stage = await setImage();
    const { origin, mirror, image, layer } = stage;
    for (const digest of [image.digest, layer]) await befall(fileOf(mirror, digest));
    await expectNotCached(mirror, `${APP}/blobs/${layer}`);
    for (const path of ['manifests/v1', `manifests/${image.digest}`]) await expectNotCached(mirror, `${APP}/${path}`);
    expect(origin.requests).toEqual([]);
  });

  test('gets no manifest that rotted', async () => {
    await using stage = await setImage();
    const { mirror, image } = stage;
    await rot(fileOf(mirror, image.digest));
    await expectNotCached(mirror, `${APP}/manifests/v1`);
  });

  test('does not wait for a download that is under way', async () => {
    await using stage = await setImage();
    const { origin, mirror } = stage;
    const bytes = seededBytes(50_000, 'slow');
    const blob = origin.addBlob(bytes);
    origin.fault({ path: blob }, { kind: 'slow', bytesPerSecond: 100_000 });
    const asking = ask(mirror, `${APP}/blobs/${blob}`);
    await origin.waitForRequests({ path: blob });
    await expectNotCached(mirror, `${APP}/blobs/${blob}`);
    expectContent(await asking, blob);
    await eventually(async () => {
      expect((await askStore(mirror, `${APP}/blobs/${blob}`)).status).toBe(200);
    });
    expect(sha256(await readFile(fileOf(mirror, blob)))).toBe(blob);
  });

  test('uses it: what another site asks for stays longer', async () => {
    await using stage = await setImage();
    const { mirror, image } = stage;
    const usedAt = async () => (await imagesOf(mirror, 'docker.io/library/app'))[0]?.usedAtMs ?? 0;
    const before = await usedAt();
    await eventually(async () => {
      await askStore(mirror, `${APP}/blobs/${image.config}`);
      expect(await usedAt()).toBeGreaterThan(before);
    });
  });
});
