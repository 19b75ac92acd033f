import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { RepositoryStatus, StatusReport, VerifyReport } from '../../../src/registry/operations/operations.ts';
import { seededBytes } from '../../support/bytes.ts';
import { type Download, download } from '../../support/download.ts';
import { type Entrepot, startEntrepot } from '../../support/entrepot.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { watch } from '../support/watch.ts';
import { type BlobImage, blobImages, pullImage } from './support/blob-images.ts';
import { expectAgreement } from './support/index-and-disk.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;

describe.each([{ minFree: 0 }, { minFree: 8 * MIB }])('on a disk of 64 MiB, with minFree $minFree', ({ minFree }) => {
  test('pulls of more than fits fill it, are all right, and leave index and content whole', async () => {
    await using origin = await startOrigin();
    await using disk = await mountSmallDisk(DISK_BYTES);
    const config = configFor(origin, disk.path, minFree);
    await using mirror = await startEntrepot({ config });
    let leastFree = Infinity;
    using looking = watch(() => {
      leastFree = Math.min(leastFree, disk.freeBytes);
    }, 5);
    const images = blobImages(origin, 40, (n) => [(1 + (n % 4)) * MIB, 300_000, 50_000 * n + 1]);
    await pullAll(mirror, images, 6);
    const { disk: status } = await runJsonCommand<StatusReport>(mirror.adminUrl, 'status');
    expect(status.contentBytes, 'it is used').toBeGreaterThan(0.5 * (DISK_BYTES - minFree));
    expect(leastFree).toBeGreaterThanOrEqual(minFree);

    origin.resetCounts();
    for (const image of images.slice(-5)) await pullImage(mirror.url, image);
    expect(origin.blobBytesSent(), 'those used last are here').toBe(0);
    await expectIntact(mirror);
    const repositories = await runJsonCommand<RepositoryStatus[]>(mirror.adminUrl, 'ls');
    await mirror.stop();
    expectAgreement(disk.path);

    await using again = await startEntrepot({ config });
    const withoutUse = (all: RepositoryStatus[]) =>
      all.map(({ repository, tags, images: count, sizeBytes }) => ({ repository, tags, count, sizeBytes }));
    expect(withoutUse(await runJsonCommand(again.adminUrl, 'ls'))).toEqual(withoutUse(repositories));
    await origin.stop();
    for (const image of images.slice(-5)) await pullImage(again.url, image);
    console.log(`minFree ${minFree}: least free ${leastFree} in ${looking.looks} looks`, status);
  });

  test('somebody else fills it in the middle of downloads: clients notice nothing; it caches again when that is gone', async () => {
    await using origin = await startOrigin();
    await using disk = await mountSmallDisk(DISK_BYTES);
    await using mirror = await startEntrepot({ config: configFor(origin, disk.path, minFree) });
    await pullAll(
      mirror,
      blobImages(origin, 6, () => [2 * MIB]),
      3,
    );
    const sizes = [12 * MIB, 3 * MIB, 20 * MIB];
    const blobs = sizes.map((size, n) => ({ bytes: seededBytes(size, `slow ${n}`), path: '' }));
    for (const blob of blobs) blob.path = `/v2/library/app/blobs/${origin.addBlob(blob.bytes)}`;
    origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 6 * MIB });
    const running = blobs.flatMap(({ bytes, path }) =>
      [0, 20].map((pauseMs) => download(mirror.url + path, { expected: bytes, pauseMs })),
    );
    await sleep(500);
    disk.fill();
    expect(disk.freeBytes).toBe(0);
    for (const answer of await Promise.all(running)) expectRight(answer);

    origin.clearFaults();
    await pullAll(
      mirror,
      blobImages(origin, 12, () => [MIB, 400_000], 'while it is full'),
      4,
    );
    const full = await runJsonCommand<StatusReport>(mirror.adminUrl, 'status');
    await expectIntact(mirror);

    disk.clear();
    const after = blobImages(origin, 3, () => [2 * MIB], 'after it was full');
    await pullAll(mirror, after, 1);
    await expectIntact(mirror);
    origin.resetCounts();
    await pullAll(mirror, after, 1);
    expect(origin.blobBytesSent(), 'it caches again').toBe(0);
    await mirror.stop();
    expectAgreement(disk.path);
    console.log(`minFree ${minFree}: filled by somebody else`, full.disk, full.lookups);
  });
});

test('ten clients at once of a blob that is larger than the disk: one download for all', async () => {
  await using origin = await startOrigin();
  await using disk = await mountSmallDisk(DISK_BYTES);
  await using mirror = await startEntrepot({ config: configFor(origin, disk.path, 0) });
  const bytes = seededBytes(80 * MIB, 'larger than the disk');
  const url = `${mirror.url}/v2/library/app/blobs/${origin.addBlob(bytes)}`;
  const startedAt = performance.now();
  const answers = await Promise.all(Array.from({ length: 10 }, () => download(url, { expected: bytes })));
  for (const answer of answers) expectRight(answer);
  const ratio = origin.blobBytesSent() / bytes.length;
  console.log(
    `ten clients: ${ratio.toFixed(2)} of the blob from upstream, ${Math.round(performance.now() - startedAt)} ms`,
  );
  expect(ratio).toBeLessThanOrEqual(1.2);
});

function configFor(origin: Origin, path: string, minFree: number): object {
  return { storage: { path, minFree }, upstreams: { 'docker.io': { url: origin.url, default: true } } };
}

/** Pulls images in order, a few at a time. */
async function pullAll({ url }: Entrepot, images: readonly BlobImage[], clients: number): Promise<void> {
  const queue = images.values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (const image of queue) await pullImage(url, image);
    }),
  );
}

async function expectIntact(mirror: Entrepot): Promise<void> {
  const report = await runJsonCommand<VerifyReport>(mirror.adminUrl, 'verify', '--all');
  expect(report).toMatchObject({ damaged: [], missing: [] });
}

function expectRight(answer: Download): void {
  expect(answer).toMatchObject({ status: 200, isComplete: true, differsAt: undefined });
}
