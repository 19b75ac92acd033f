import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { download } from '../support/download.ts';
import { ask, type Door } from './support/ask.ts';
import { expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { metric, settle } from './support/operator.ts';
import { contentOf, head, type NamedImage, publish, publishSized, pull, pullBlob } from './support/pull.ts';
import { setStage, type Stage } from './support/stage.ts';
import { stagePool } from './support/stage-pool.ts';
import { fileOf, otherBytes, quarantinedFiles, storedDigests, VISIBLE_DAMAGE } from './support/stored-files.ts';

const SIZE = 300_000;
const stages = stagePool({ config: { pull: { readAhead: false, notFoundFor: '0s', hotManifests: 0 } } });

/** Pulls an image of two layers that is whole on the disk afterwards. */
async function pullWhole({ origin, mirror, name }: Stage): Promise<NamedImage & { layer: string; second: string }> {
  const layers = [`first of ${name}`, `second of ${name}`].map((seed) => seededBytes(SIZE, seed));
  const image = publish(origin, name, 'v1', layers);
  await pull(mirror, image);
  await settle(mirror);
  return { ...image, layer: image.layers[0] ?? '', second: image.layers[1] ?? '' };
}

/** Its file has the right bytes again. */
async function expectHealed({ mirror }: Stage, digest: string): Promise<void> {
  await expect
    .poll(async () => sha256(await readFile(fileOf(mirror, digest)).catch(() => Buffer.from(''))), { timeout: 3000 })
    .toBe(digest);
}

describe.each(VISIBLE_DAMAGE)('a stored file that is $name', ({ isPutAside, befall }) => {
  test('of a layer: the client gets the right bytes at once, and so does the disk', async () => {
    await using stage = await stages.take();
    const { origin, mirror, name, path } = stage;
    const { layer, second } = await pullWhole(stage);
    const lost = await metric(mirror, 'entrepot_lost_content_total', { noticed: 'serving' });
    const putAside = (await quarantinedFiles(mirror)).length;
    for (const digest of [layer, second]) await befall(fileOf(mirror, digest));
    await pullBlob(mirror, name, layer);
    const part = await ask(mirror, `${path}/blobs/${second}`, { headers: { Range: `bytes=100000-${SIZE - 2}` } });
    expect(part).toMatchObject({ status: 206, whole: true });
    expect(part.headers['content-range']).toBe(`bytes 100000-${SIZE - 2}/${SIZE}`);
    expect(part.body.equals(seededBytes(SIZE, `second of ${name}`).subarray(100_000, SIZE - 1))).toBe(true);
    await expectHealed(stage, layer);
    await expectHealed(stage, second);
    await settle(mirror);
    origin.resetCounts();
    for (const digest of [layer, second]) await pullBlob(mirror, name, digest);
    expect(origin.blobBytesSent()).toBe(0);
    expect(await metric(mirror, 'entrepot_lost_content_total', { noticed: 'serving' })).toBe(lost + 2);
    expect((await quarantinedFiles(mirror)).length).toBe(putAside + (isPutAside ? 2 : 0));
  });

  test('of a manifest: the client gets the right bytes at once, and so does the disk', async () => {
    await using stage = await stages.take();
    const { mirror, path } = stage;
    const image = await pullWhole(stage);
    for (const reference of ['v1', image.digest]) {
      await befall(fileOf(mirror, image.digest));
      expectContent(await ask(mirror, `${path}/manifests/${reference}`), image.digest);
      await expectHealed(stage, image.digest);
      expect((await head(mirror, image)).headers['docker-content-digest']).toBe(image.digest);
    }
  });
});

describe('stored content that was damaged', () => {
  test('is an error and no byte while the upstream is down, and right again when it is back', async () => {
    await using stage = await setStage({ config: { pull: { readAhead: false, hotManifests: 0 } } });
    const { origin, mirror } = stage;
    const images = VISIBLE_DAMAGE.map((_, n) => publishSized(origin, `library/app-${n}`, 'v1', 10_000));
    for (const image of images) await pull(mirror, image);
    await settle(mirror);
    for (const [n, { befall }] of VISIBLE_DAMAGE.entries()) {
      for (const digest of [images[n]?.digest ?? '', images[n]?.layers[0] ?? '']) await befall(fileOf(mirror, digest));
    }
    await origin.stop();
    for (const { name, digest, layers } of images) {
      const [layer = ''] = layers;
      for (const path of [`blobs/${layer}`, `manifests/${digest}`, 'manifests/v1']) {
        expectError(await ask(mirror, `/v2/${name}/${path}`), GATEWAY_ERRORS);
      }
      const part = await ask(mirror, `/v2/${name}/blobs/${layer}`, { headers: { Range: 'bytes=10-19' } });
      expectError(part, GATEWAY_ERRORS);
    }
    await origin.restart();
    const [first] = images;
    const isUp = async () => (await ask(mirror, `/v2/${first?.name}/blobs/${first?.layers[0]}`)).status;
    await expect.poll(isUp, { timeout: 7000 }).toBe(200);
    for (const image of images) {
      await pull(mirror, image);
      await expectHealed(stage, image.digest);
      await expectHealed(stage, image.layers[0] ?? '');
    }
  });

  test('and that a client brought back counts as healed', async () => {
    await using stage = await stages.take();
    const { mirror, name } = stage;
    const { layer } = await pullWhole(stage);
    const count = () => metric(mirror, 'entrepot_healed_content_total', { result: 'healed' });
    const before = await count();
    await rm(fileOf(mirror, layer));
    await pullBlob(mirror, name, layer);
    await expectHealed(stage, layer);
    await expect.poll(count).toBe(before + 1);
  });

  test('right after it was stored is noticed too', async () => {
    await using stage = await stages.take();
    const { mirror, name } = stage;
    const { layer } = await pullWhole(stage);
    const file = fileOf(mirror, layer);
    // Files are dated by a clock of the kernel that is up to ten milliseconds behind.
    await sleep(20);
    await writeFile(file, await otherBytes(file));
    expectContent(await ask(mirror, `/v2/${name}/blobs/${layer}`), layer);
  });
});

describe('a file that is damaged while it is being sent', () => {
  const bytes = seededBytes(20_000_000, 'larger than all buffers on the way');

  test.each([
    { how: 'cut short', to: 1_000_000 },
    { how: 'emptied', to: 0 },
  ])('and $how: a slow client still gets all right bytes', async ({ to }) => {
    await using stage = await stages.take();
    const { origin, mirror, name } = stage;
    const blob = origin.addBlob(bytes);
    await pullBlob(mirror, name, blob);
    await settle(mirror);
    const { answer, wasUnderWay } = await damageMeanwhile(stage, blob, (file) => truncate(file, to));
    expect(wasUnderWay).toBe(true);
    expect(answer).toMatchObject({ status: 200, isComplete: true, receivedBytes: bytes.length, differsAt: undefined });
    await expectHealed(stage, blob);
  });

  test('and cut short while the upstream is down: the connection breaks, and nothing was wrong until then', async () => {
    await using stage = await setStage();
    const { origin, mirror, name } = stage;
    const blob = origin.addBlob(bytes);
    await pullBlob(mirror, name, blob);
    await settle(mirror);
    await origin.stop();
    const { answer } = await damageMeanwhile(stage, blob, (file) => truncate(file, 1_000_000));
    expect(answer).toMatchObject({ status: 200, isComplete: false, differsAt: undefined });
    expect(answer.receivedBytes).toBeLessThan(bytes.length);
  });

  test('and removed: the client notices nothing', async () => {
    await using stage = await stages.take();
    const { origin, mirror, name } = stage;
    const blob = origin.addBlob(bytes);
    await pullBlob(mirror, name, blob);
    await settle(mirror);
    const { answer } = await damageMeanwhile(stage, blob, (file) => rm(file));
    expect(answer).toMatchObject({ status: 200, isComplete: true, receivedBytes: bytes.length, differsAt: undefined });
  });

  async function damageMeanwhile({ mirror, path }: Stage, blob: string, befall: (file: string) => Promise<void>) {
    let isDone = false;
    const slow = download(`${mirror.url}${path}/blobs/${blob}`, { expected: bytes, pauseMs: 1 }).finally(() => {
      isDone = true;
    });
    await expect.poll(() => isSending(mirror), { interval: 5 }).toBe(true);
    await befall(fileOf(mirror, blob));
    const wasUnderWay = !isDone;
    return { answer: await slow, wasUnderWay };
  }

  /** A little time, in which a part goes out. */
  async function isSending(door: Door): Promise<boolean> {
    return (await ask(door, '/v2/')).status === 200;
  }
});

describe('all files', () => {
  test('removed by hand while running: everything is served all the same, and kept again', async () => {
    await using stage = await setStage({ config: { pull: { readAhead: false, hotManifests: 0 } } });
    const { origin, mirror } = stage;
    const images = ['library/a', 'library/b'].map((name) => publishSized(origin, name, 'v1', SIZE));
    for (const image of images) await pull(mirror, image);
    await settle(mirror);
    await rm(join(mirror.path, 'blobs'), { recursive: true });
    const [first, second] = images;
    if (!first || !second) throw new Error('no images');
    await pull(mirror, first);
    const fresh = publishSized(origin, 'library/c', 'v1', SIZE);
    await pull(mirror, fresh);
    await settle(mirror);
    await expect
      .poll(() => storedDigests(mirror), { timeout: 3000 })
      .toEqual(expect.arrayContaining(contentOf(first, fresh)));
    await origin.stop();
    for (const image of [first, fresh]) await pull(mirror, image);
    const answer = await ask(mirror, `/v2/library/b/blobs/${second.layers[0]}`);
    expectError(answer, GATEWAY_ERRORS);
  });

  test.each(['blobs', 'ingest'])(
    'the folder %s, removed while stopped: the start notices, and mends it',
    async (folder) => {
      await using stage = await setStage();
      const { origin, mirror } = stage;
      const image = publishSized(origin, 'library/a', 'v1', SIZE);
      await pull(mirror, image);
      await settle(mirror);
      await rm(join(mirror.path, folder), { recursive: true });
      await mirror.restart();
      await pull(mirror, image);
      await settle(mirror);
      await expect.poll(() => storedDigests(mirror)).toEqual(contentOf(image));
      const lost = await metric(mirror, 'entrepot_lost_content_total');
      expect(lost).toBe(folder === 'blobs' ? 3 : 0);
    },
  );
});
