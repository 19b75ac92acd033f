import { describe, expect, test } from 'vitest';
import type { PurgeTarget, RemovalReport } from '../../src/registry/operations/operations.ts';
import { digestsOf, pullImage, pullIndex, storeImage, storeSharing } from '../faults/support/built-images.ts';
import { ask } from '../faults/support/ask.ts';
import { expectContent, expectError } from '../faults/support/expectations.ts';
import { type AdminDoor, administer, imagesOf, metric, settle, statusOf } from '../faults/support/operator.ts';
import { setStage } from '../faults/support/stage.ts';
import { storedDigests } from '../faults/support/stored-files.ts';
import { seededBytes } from '../support/bytes.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';

const APP = '/v2/library/app';
const HOUR = { upstream: { freshFor: '1h' } };

function purge(door: AdminDoor, target: PurgeTarget, dryRun = false): Promise<RemovalReport> {
  return administer(door, 'POST', '/purge', { ...target, dryRun });
}

function sorted(...digests: string[][]): string[] {
  return [...new Set(digests.flat())].toSorted();
}

describe.concurrent('a purge', () => {
  test('of an image takes it with all that nothing else needs, and its next pull fetches it again', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    const other = buildImage(origin, 'library/app', 'v2', { seed: 9 });
    await storeImage(mirror, APP, 'v1', index);
    await storeImage(mirror, APP, 'v2', other);
    const before = await statusOf(mirror);

    const dry = await purge(mirror, { image: 'app:v1' }, true);
    expect(await storedDigests(mirror)).toEqual(sorted(digestsOf(index), digestsOf(other)));
    expect(dry).toMatchObject({ isDryRun: true, imageCount: 1 });
    expect(dry.images).toEqual([{ repository: 'docker.io/library/app', tags: ['v1'], digest: index.digest }]);

    const report = await purge(mirror, { image: 'app:v1' });
    expect(report).toEqual({ ...dry, isDryRun: false, blobs: digestsOf(index).length });
    expect(await storedDigests(mirror)).toEqual(digestsOf(other).toSorted());
    const after = await statusOf(mirror);
    expect(before.disk.contentBytes - after.disk.contentBytes).toBeGreaterThanOrEqual(report.freedBytes);
    expect(await metric(mirror, 'entrepot_removed_images_total', { cause: 'purged' })).toBe(1);
    origin.resetCounts();
    await pullImage(mirror, APP, 'v2', other);
    expect(origin.requests).toEqual([]);
    await pullIndex(mirror, APP, 'v1', index);
    expect(origin.requests.length).toBeGreaterThan(0);
  });

  test('says in a dry run how many blobs would go', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', image);
    expect((await purge(mirror, { image: 'app:v1' }, true)).blobs).toBe(3);
  });

  test('takes one tag of an image that has another: the image stays', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    origin.moveTag('library/app', 'latest', image.digest);
    for (const tag of ['v1', 'latest']) await storeImage(mirror, APP, tag, image);
    for (const dryRun of [true, false]) {
      expect(await purge(mirror, { image: 'app' }, dryRun)).toMatchObject({ blobs: 0, freedBytes: 0 });
      const [tags] = (await imagesOf(mirror, 'docker.io/library/app')).map((each) => each.tags);
      expect(tags).toEqual(dryRun ? ['latest', 'v1'] : ['v1']);
    }
    await origin.stop();
    await pullImage(mirror, APP, 'v1', image);
    expect((await ask(mirror, `${APP}/manifests/latest`)).status).toBeOneOf([502, 503, 504]);
    await purge(mirror, { image: 'app:v1' });
    expect(await storedDigests(mirror)).toEqual([]);
  });

  test('by digest takes the image with all its tags', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    origin.moveTag('library/app', 'latest', image.digest);
    for (const tag of ['v1', 'latest']) await storeImage(mirror, APP, tag, image);
    const { images } = await purge(mirror, { image: `docker.io/library/app@${image.digest}` });
    expect(images).toEqual([{ repository: 'docker.io/library/app', tags: ['latest', 'v1'], digest: image.digest }]);
    expect(await storedDigests(mirror)).toEqual([]);
    expect(await imagesOf(mirror, 'docker.io/library/app')).toEqual([]);
    await pullImage(mirror, APP, 'latest', image);
  });

  test('keeps what other images of this repository and of others need', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const layer = await storeSharing(stage, ['library/app:a', 'library/app:b', 'library/other:c']);
    await purge(mirror, { image: 'app:a' });
    expect(await storedDigests(mirror)).toContain(layer);
    origin.resetCounts();
    expectContent(await ask(mirror, `${APP}/blobs/${layer}`), layer);
    expect(origin.requests).toEqual([]);
    await purge(mirror, { image: 'app:b' });
    expect(await storedDigests(mirror)).toContain(layer);
    expectContent(await ask(mirror, `/v2/other/blobs/${layer}`), layer);
    expect(origin.requests).toEqual([]);
    expect((await purge(mirror, { image: 'other:c' })).blobs).toBe(3);
    expect(await storedDigests(mirror)).toEqual([]);
  });

  test.each<PurgeTarget>([{ image: 'app:a' }, { repository: 'app' }])(
    'of %j frees what its dry run said, where images share a layer',
    async (target) => {
      await using stage = await setStage(HOUR);
      await storeSharing(stage, ['library/app:a', 'library/app:b', 'library/app:c']);
      const dry = await purge(stage.mirror, target, true);
      const report = await purge(stage.mirror, target);
      expect(report.freedBytes).toBe(dry.freedBytes);
    },
  );

  test('of a repository takes all of it and nothing else, after a restart too', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    const single = buildImage(origin, 'library/app', 'v2', { seed: 5 });
    const loose = origin.addBlob(seededBytes(5000, 'loose'));
    const other = buildImage(origin, 'library/app2', 'v1', { seed: 6 });
    await pullIndex(mirror, APP, 'v1', index);
    await pullImage(mirror, APP, single.digest, single);
    await ask(mirror, `${APP}/blobs/${loose}`);
    await ask(mirror, `${APP}/tags/list`);
    await storeImage(mirror, '/v2/app2', 'v1', other);
    const dry = await purge(mirror, { repository: 'app' }, true);
    const report = await purge(mirror, { repository: 'docker.io/library/app' });
    expect(report).toEqual({ ...dry, isDryRun: false, blobs: digestsOf(index).length + digestsOf(single).length + 1 });
    expect(report.images.map(({ digest }) => digest).toSorted()).toEqual(
      expect.arrayContaining([index.digest, single.digest].toSorted()),
    );
    expect(await storedDigests(mirror)).toEqual(digestsOf(other).toSorted());
    await origin.stop();
    await mirror.restart();
    await pullImage(mirror, '/v2/app2', 'v1', other);
    expect(await imagesOf(mirror, 'docker.io/library/app')).toEqual([]);
    expect((await ask(mirror, `${APP}/manifests/v1`)).status).toBeOneOf([502, 503, 504]);
    expect((await ask(mirror, `${APP}/tags/list`)).status).toBeOneOf([502, 503, 504]);
  });

  test('of an upstream takes all of it and nothing of the others', async () => {
    await using second = await startOrigin();
    await using first = await startOrigin();
    const upstreams = {
      'docker.io': { url: first.url, default: true, freshFor: '1h' },
      'quay.io': { url: second.url, freshFor: '1h' },
    };
    await using stage = await setStage({ config: { upstreams } });
    const { mirror } = stage;
    const both = [first, second].map((origin) => buildImage(origin, 'team/app', 'v1'));
    const alone = buildImage(first, 'library/app', 'v1', { seed: 3 });
    await pullImage(mirror, '/v2/team/app', 'v1', both[0] ?? alone);
    await pullImage(mirror, '/v2/quay.io/team/app', 'v1', both[1] ?? alone);
    await storeImage(mirror, '/v2/app', 'v1', alone);
    const report = await purge(mirror, { upstream: 'docker.io' });
    expect(report).toMatchObject({ imageCount: 2, blobs: 3 });
    expect(await storedDigests(mirror)).toEqual(digestsOf(both[1] ?? alone).toSorted());
    for (const origin of [first, second]) origin.resetCounts();
    await pullImage(mirror, '/v2/quay.io/team/app', 'v1', both[1] ?? alone);
    expect(second.requests).toEqual([]);
    await expect(purge(mirror, { upstream: 'docker.io' })).rejects.toMatchObject({ status: 404 });
  });

  test('of a repository with nothing but a loose blob takes that, and its dry run says so', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const loose = origin.addBlob(seededBytes(5000, 'loose'));
    for (const path of [APP, '/v2/library/other']) expectContent(await ask(mirror, `${path}/blobs/${loose}`), loose);
    await settle(mirror);
    // The other repository has it still.
    const nothing = { imageCount: 0, blobs: 0, freedBytes: 0 };
    expect(await purge(mirror, { repository: 'app' }, true)).toMatchObject(nothing);
    expect(await purge(mirror, { repository: 'app' })).toMatchObject(nothing);
    await expect(purge(mirror, { repository: 'app' }, true)).rejects.toMatchObject({ status: 404 });
    const dry = await purge(mirror, { repository: 'other' }, true);
    expect(dry).toMatchObject({ imageCount: 0, blobs: 1 });
    expect(await purge(mirror, { repository: 'other' })).toEqual({ ...dry, isDryRun: false });
    expect(await storedDigests(mirror)).toEqual([]);
  });

  test('takes pinned images too: who names them knows what they are', async () => {
    await using stage = await setStage({ ...HOUR, config: { pins: ['docker.io/library/app:*'] } });
    const { origin, mirror } = stage;
    await storeImage(mirror, APP, 'v1', buildImage(origin, 'library/app', 'v1'));
    expect(await purge(mirror, { image: 'app:v1' })).toMatchObject({ imageCount: 1, blobs: 3, pinned: 1 });
    expect(await storedDigests(mirror)).toEqual([]);
  });

  test('of a platform of an index leaves the index what it needs', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', index);
    const [part] = index.images;
    await purge(mirror, { image: `app@${part?.digest}` }).catch(() => undefined);
    expect(await storedDigests(mirror)).toEqual(sorted(digestsOf(index)));
    await origin.stop();
    await pullIndex(mirror, APP, 'v1', index);
  });

  test('while a blob is being downloaded to a client: the client gets all of it', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [400_000] });
    const [layer = ''] = image.layers;
    await ask(mirror, `${APP}/manifests/v1`);
    origin.fault({ path: layer }, { kind: 'slow', bytesPerSecond: 1_000_000 }, { times: 1 });
    const pulled = ask(mirror, `${APP}/blobs/${layer}`);
    await origin.waitForRequests({ path: layer });
    await purge(mirror, { image: 'app:v1' });
    expectContent(await pulled, layer);
    await pullImage(mirror, APP, 'v1', image);
    await mirror.restart();
    await pullImage(mirror, APP, 'v1', image);
  });

  test('is refused for what is not here, and for what makes no sense', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', image);
    for (const [target, status] of [
      [{ image: 'none:v1' }, 404],
      [{ image: 'app:none' }, 404],
      [{ upstream: 'ghcr.io' }, 404],
      [{ image: 'a b' }, 400],
      [{}, 400],
      [{ image: 'app:v1', repository: 'app' }, 400],
      [{ image: 'app:v1', force: true }, 400],
    ] as const) {
      const purging = administer(mirror, 'POST', '/purge', target);
      await expect(purging, JSON.stringify(target)).rejects.toMatchObject({ status });
    }
    expect(await storedDigests(mirror)).toEqual(digestsOf(image).toSorted());
  });
});

describe.concurrent('after a purge of an image', () => {
  test('its digest is unknown to the mirror until the upstream gives it again', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(mirror, APP, 'v1', image);
    await purge(mirror, { image: 'app:v1' });
    origin.deleteManifest('library/app', image.digest);
    for (const reference of ['v1', image.digest]) {
      expectError(await ask(mirror, `${APP}/manifests/${reference}`), 404, 'MANIFEST_UNKNOWN');
    }
  });
});
