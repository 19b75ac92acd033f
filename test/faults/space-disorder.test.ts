import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { mountSmallDisk } from '../content/support/tmpfs.ts';
import { type Entrepot, startEntrepot } from '../support/entrepot.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { administer, evict, settle, statusOf } from './support/operator.ts';
import { contentOf, publishSized, pull } from './support/pull.ts';
import { setStage } from './support/stage.ts';
import { fileOf, otherBytes, storedDigests } from './support/stored-files.ts';

const MIB = 1024 * 1024;
const run = promisify(execFile);

/** A mirror whose content is on a disk of its own that may become read-only, while its index is not. */
async function setRefusingDisk() {
  await using opened = new AsyncDisposableStack();
  const disk = opened.use(await mountSmallDisk(16 * MIB));
  const data = opened.use(await temporaryDirectory());
  await symlink(join(data.path, 'index.sqlite'), join(disk.path, 'index.sqlite'));
  const origin = opened.use(await startOrigin());
  const storage = { path: disk.path, minFree: 0 };
  const config = { storage, pull: { readAhead: false, hotManifests: 0 } };
  const mirror = opened.use(await startMirror(origin, { upstream: { freshFor: '0s' }, config }));
  const cleanup = opened.move();
  return { disk, origin, mirror, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

/** Makes a file one that cannot be moved nor removed, not by root either. */
async function pinDown(file: string): Promise<AsyncDisposable> {
  await run('mount', ['--bind', file, file]);
  return {
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['-l', file]);
    },
  };
}

describe('a folder that somebody has put in the place of a stored file', () => {
  test('keeps nothing from being evicted, and goes with its image', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const images = [1, 2, 3].map((n) => publishSized(origin, `library/app-${n}`, 'v1', 100_000));
    for (const image of images) await pull(mirror, image);
    await settle(mirror);
    const file = fileOf(mirror, images[0]?.layers[0] ?? '');
    await rm(file);
    await mkdir(file);
    await writeFile(join(file, 'x'), 'something');
    const { images: evicted } = await evict(mirror, 0);
    expect(evicted).toHaveLength(3);
    expect(await storedDigests(mirror)).toEqual([]);
    for (const image of images) await pull(mirror, image);
    await settle(mirror);
    expect(await storedDigests(mirror)).toEqual(contentOf(...images));
  });
});

test('a file in the place of a folder of content costs what was in the folder, and no client its answer', async () => {
  await using stage = await setStage({ config: { pull: { readAhead: false, hotManifests: 0 } } });
  const { origin, mirror } = stage;
  const image = publishSized(origin, 'library/app', 'v1', 100_000);
  await pull(mirror, image);
  await settle(mirror);
  for (const digest of contentOf(image)) {
    const folder = dirname(fileOf(mirror, digest));
    await rm(folder, { recursive: true, force: true });
    await writeFile(folder, 'a file');
  }
  for (const _ of [1, 2]) await pull(mirror, image);
  expect((await statusOf(mirror)).disk.blobs).toBe(0);
  await mirror.restart();
  await pull(mirror, image);
});

test('a file that cannot be removed keeps no other image from being evicted, and counts as long as it is there', async () => {
  await using stage = await setStage();
  const { origin, mirror } = stage;
  const images = [1, 2, 3].map((n) => publishSized(origin, `library/app-${n}`, 'v1', 100_000));
  for (const image of images) await pull(mirror, image);
  await settle(mirror);
  const [layer = ''] = images[0]?.layers ?? [];
  await using held = new AsyncDisposableStack();
  held.use(await pinDown(fileOf(mirror, layer)));
  expect((await evict(mirror, 0)).images).toHaveLength(3);
  expect(await storedDigests(mirror)).toEqual([layer]);
  expect((await statusOf(mirror)).disk.contentBytes).toBe(25 * 4096);
  await held.disposeAsync();
  await mirror.restart();
  await expect.poll(() => storedDigests(mirror)).toEqual([]);
  expect((await statusOf(mirror)).disk.contentBytes).toBe(0);
});

describe('a disk that lets nothing be changed any more', () => {
  test('keeps no client from what the upstream has in place of what is damaged', async () => {
    await using stage = await setStage({ config: { pull: { readAhead: false, hotManifests: 0 } } });
    const { origin, mirror } = stage;
    const image = publishSized(origin, 'library/app', 'v1', 100_000);
    await pull(mirror, image);
    await settle(mirror);
    await using held = new AsyncDisposableStack();
    for (const digest of contentOf(image)) {
      const file = fileOf(mirror, digest);
      await writeFile(file, (await otherBytes(file)).subarray(1));
      held.use(await pinDown(file));
    }
    for (const _ of [1, 2]) await pull(mirror, image);
    await mirror.restart();
    for (const _ of [1, 2]) await pull(mirror, image);
    expect((await statusOf(mirror)).disk.blobs).toBe(0);
    await held.disposeAsync();
    await pull(mirror, image);
    await settle(mirror);
    expect((await statusOf(mirror)).disk.blobs).toBe(contentOf(image).length);
  });

  test('keeps nothing else from being put in order at a start', async () => {
    await using stage = await setRefusingDisk();
    const { disk, origin, mirror } = stage;
    const image = publishSized(origin, 'library/app', 'v1', 100_000);
    await pull(mirror, image);
    await settle(mirror);
    await disk.makeReadOnly();
    await expect(administer(mirror, 'POST', '/purge', { image: 'library/app:v1' })).rejects.toThrow('store');
    expect((await statusOf(mirror)).disk.blobs).toBe(0);
    await mirror.restart();
    // They are there, and so they count.
    await expect.poll(async () => (await statusOf(mirror)).disk.blobs).toBe(contentOf(image).length);
    await pull(mirror, image);
  });
});

test('a start with an index that has lost what the store has says so', async () => {
  await using data = await temporaryDirectory();
  await using origin = await startOrigin();
  const image = publishSized(origin, 'library/app', 'v1', 1000);
  const config = { storage: { path: data.path }, upstreams: { 'docker.io': { url: origin.url, default: true } } };
  const complaints = ({ logs }: Entrepot) => logs.filter(({ level }) => Number(level) >= 50).map(({ msg }) => msg);
  {
    await using whole = await startEntrepot({ config });
    await pull(whole, image);
    await settle(whole);
    expect(complaints(whole)).toEqual([]);
  }
  await truncate(join(data.path, 'index.sqlite'), 0);
  await using lacking = await startEntrepot({ config });
  await expect.poll(() => complaints(lacking)).toEqual([expect.stringContaining('the index is empty')]);
  await pull(lacking, image);
});
