import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { WantedBlobs } from '../../../src/registry/pushing/wanted-blobs.ts';
import { Garbage } from '../../../src/registry/upkeep/garbage.ts';
import { seededBytes } from '../../support/bytes.ts';
import { stockDigest } from '../space/stock.ts';
import { CAUSE, incoming, openPushes, OWNER, type TestPushes } from './support/open-pushes.ts';

const HOUR = 3_600_000;

function garbageOf({ stock, pushes, wanted }: TestPushes): Garbage {
  const { store, index, space } = stock;
  return new Garbage({ store, index, ...space, uploads: pushes.uploads, wanted });
}

/** Loose blobs of a repository that were used so many hours ago. */
async function addLoose({ stock }: TestPushes, repository: string, hoursAgo: readonly number[]): Promise<void> {
  for (const hours of hoursAgo) {
    await stock.addBlob(`${repository} ${hours}`, [repository], Date.now() - hours * HOUR);
  }
}

afterEach(() => void vi.useRealTimers());

test('a loose blob stays as long as its push may be under way, and goes then', async () => {
  await using pushes = await openPushes();
  await addLoose(pushes, 'local/app', [0, 1, 3]);
  const collected = await garbageOf(pushes).collect({ isDryRun: false, graceMs: 2 * HOUR });
  expect(collected).toMatchObject({ looseBlobs: 1, freedBytes: 100_000 });
  expect(await pushes.stock.files()).toEqual(new Set([stockDigest('local/app 0'), stockDigest('local/app 1')]));
});

test('blobs stay in a repository that uploads are under way to', async () => {
  await using pushes = await openPushes();
  await addLoose(pushes, 'local/app', [100]);
  await addLoose(pushes, 'local/other', [100]);
  const { id } = await pushes.pushes.uploads.start(OWNER);
  const garbage = garbageOf(pushes);
  expect(await garbage.collect({ isDryRun: true, graceMs: HOUR })).toMatchObject({ looseBlobs: 1 });
  expect(await garbage.collect({ isDryRun: false, graceMs: HOUR })).toMatchObject({ looseBlobs: 1 });
  expect(await pushes.stock.files()).toEqual(new Set([stockDigest('local/app 100')]));
  await pushes.pushes.uploads.cancel(id, OWNER);
  expect(await garbage.collect({ isDryRun: false, graceMs: HOUR })).toMatchObject({ looseBlobs: 1 });
});

test('an upload that was abandoned keeps no blobs of its repository', async () => {
  await using pushes = await openPushes();
  await addLoose(pushes, 'local/app', [100]);
  await pushes.pushes.uploads.start(OWNER);
  const garbage = garbageOf(pushes);
  const now = Date.now();
  vi.useFakeTimers({ toFake: ['Date'], now: now + 0.9 * HOUR });
  expect(await garbage.collect({ isDryRun: false, graceMs: HOUR })).toMatchObject({ looseBlobs: 0 });
  vi.setSystemTime(now + 1.1 * HOUR);
  expect(await garbage.collect({ isDryRun: false, graceMs: HOUR })).toMatchObject({ looseBlobs: 1 });
});

test('a blob stays that a client has just been told of, however long ago it was used', async () => {
  await using pushes = await openPushes();
  await addLoose(pushes, 'local/app', [100, 200]);
  pushes.wanted.note('local/app', stockDigest('local/app 100'));
  pushes.wanted.note('local/other', stockDigest('local/app 200'));
  await garbageOf(pushes).collect({ isDryRun: false, graceMs: HOUR });
  expect(await pushes.stock.files()).toEqual(new Set([stockDigest('local/app 100')]));
});

test('a blob that is pushed or mounted again counts as used', async () => {
  await using pushes = await openPushes();
  const bytes = seededBytes(1000, 'again');
  const digest = digestOf(bytes);
  await pushes.stock.store.put(digest, bytes);
  await pushes.stock.index.putBlob({ digest, sizeBytes: 1000, repositories: ['local/app'], atMs: 1 });
  await addLoose(pushes, 'local/app', [100]);
  await pushes.pushes.uploads.pushWhole({ owner: OWNER, digest, cause: CAUSE }, 'sha256', incoming([bytes]));
  const mounted = await pushes.pushes.mounts.mount(
    { registry: 'local', path: 'two', name: 'local/two' },
    stockDigest('local/app 100'),
    { from: 'local/app' },
    CAUSE,
  );
  expect(mounted).toBe(true);
  // What is noted in memory must not be all that keeps them.
  const fresh = new Garbage({
    ...pushes.stock,
    ...pushes.stock.space,
    uploads: pushes.pushes.uploads,
    wanted: new WantedBlobs(),
  });
  await fresh.collect({ isDryRun: false, graceMs: HOUR });
  expect(await pushes.stock.index.findBlob('local/app', digest)).toMatchObject({ belongs: true });
  expect(await pushes.stock.index.findBlob('local/app', stockDigest('local/app 100'))).toMatchObject({
    belongs: false,
  });
  expect(await pushes.stock.index.findBlob('local/two', stockDigest('local/app 100'))).toMatchObject({
    isStored: true,
    belongs: true,
  });
});

test('what a clock that was set back has left in the future is not young', async () => {
  await using pushes = await openPushes();
  const { store, path } = pushes.stock;
  const digest = stockDigest('broken off');
  {
    await using ingest = await store.ingest(digest);
    ingest.describe(1000, 'docker.io/library/app');
    await ingest.write([Buffer.alloc(500)], 0);
  }
  const garbage = garbageOf(pushes);
  const collect = () => garbage.collect({ isDryRun: false, graceMs: HOUR });
  const setTimes = async (ms: number) => {
    const folder = join(path, 'ingest');
    for (const name of await readdir(folder)) await utimes(join(folder, name), ms / 1000, ms / 1000);
  };
  // Clocks of disks in a network differ a little.
  await setTimes(Date.now() + 60_000);
  expect(await collect()).toMatchObject({ interruptedIngests: 0 });
  await setTimes(Date.now() + 24 * HOUR);
  expect(await collect()).toMatchObject({ interruptedIngests: 1 });
});
