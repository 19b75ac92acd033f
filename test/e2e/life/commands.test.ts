import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type {
  GarbageReport,
  ImageStatus,
  PinStatus,
  RefreshReport,
  RemovalReport,
  RepositoryStatus,
  ScrubStatus,
  StatusReport,
  UpstreamStatus,
  VerifyReport,
  WarmReport,
} from '../../../src/registry/operations/operations.ts';
import { ask } from '../../faults/support/ask.ts';
import { fileOf, quarantinedFiles, rot, storedDigests } from '../../faults/support/stored-files.ts';
import { seededBytes, sha256 } from '../../support/bytes.ts';
import { buildImage, buildIndex } from '../../support/images.ts';
import { blobImages, pullImage } from './support/blob-images.ts';
import { setCommandStage } from './support/command-stage.ts';
import { readFileSync } from 'node:fs';

const KIB = 1024;
const MIB = 1024 * KIB;

test('status and ls tell what is here; pin, pins and unpin what stays', async () => {
  await using stage = await setCommandStage({ storage: { quota: '64MiB' } });
  const { origin, mirror, json, run } = stage;
  const [one, other] = blobImages(origin, 2, (n) => [(n + 1) * MIB]);
  if (!one || !other) throw new Error('no images');
  for (const image of [one, other]) await pullImage(mirror.url, image);
  await pullImage(mirror.url, one);

  const status = await json<StatusReport>('status');
  expect(status).toMatchObject({
    disk: { blobs: 6, inFlightBytes: 0, quotaBytes: 64 * MIB, pinnedBytes: 0, isEvicting: false },
    lookups: { manifest: { hits: 1, misses: 2 }, blob: { hits: expect.any(Number) } },
    fills: [],
    upstreams: [{ name: 'docker.io', isOffline: false, isBreakerOpen: false, contentBytes: status.disk.contentBytes }],
    scrub: { isRunning: false },
  });
  expect(status.disk.contentBytes).toBeGreaterThan(3 * MIB);
  expect((await run('status')).stdout).toMatch(/^Site .*\n.*Content +3\.0\d? MiB in 6 blobs/s);

  const repositories = await json<RepositoryStatus[]>('ls');
  expect(repositories.map(({ repository, tags, images }) => ({ repository, tags, images }))).toEqual([
    { repository: 'docker.io/library/image-0', tags: 1, images: 1 },
    { repository: 'docker.io/library/image-1', tags: 1, images: 1 },
  ]);
  const images = await json<ImageStatus[]>('ls', 'image-0');
  expect(images).toMatchObject([{ tags: ['v1'], digest: one.digest, isPinned: false }]);
  expect((await run('ls')).stdout).toContain('docker.io/library/image-1');
  expect((await run('ls', 'library/image-0')).stdout).toContain(one.digest);

  await json('pin', 'image-0:*', 'docker.io/library/other:v1');
  expect((await json<PinStatus[]>('pins')).map(({ pattern, origin: from }) => [pattern, from])).toEqual([
    ['docker.io/library/image-0:*', 'operator'],
    ['docker.io/library/other:v1', 'operator'],
  ]);
  expect(await json<ImageStatus[]>('ls', 'image-0')).toMatchObject([{ isPinned: true }]);
  expect((await json<StatusReport>('status')).disk.pinnedBytes).toBeGreaterThan(MIB);
  await stage.restart();
  expect((await run('pins')).stdout).toContain('docker.io/library/image-0:*');
  expect(await json<RemovalReport>('evict', '--to', '0')).toMatchObject({ imageCount: 1 });
  expect(await json<RepositoryStatus[]>('ls')).toMatchObject([{ repository: 'docker.io/library/image-0' }]);

  await json('unpin', 'image-0:*');
  expect(await json<PinStatus[]>('pins')).toHaveLength(1);
  expect(await run('unpin', 'image-0:*')).toMatchObject({ code: 1, stderr: expect.stringContaining('no such pin') });
});

test('purge says beforehand what would go, and removes an image, a repository, an upstream', async () => {
  await using stage = await setCommandStage();
  const { origin, mirror, json, run, path } = stage;
  const images = blobImages(origin, 3, () => [100 * KIB]);
  const [first, second] = images;
  if (!first || !second) throw new Error('no images');
  for (const image of images) await pullImage(mirror.url, image);
  const all = await storedDigests(stage);

  const named = { images: [{ repository: 'docker.io/library/image-0', tags: ['v1'], digest: first.digest }] };
  const planned = await json<RemovalReport>('purge', 'image-0:v1', '--dry-run');
  expect(planned).toMatchObject({ ...named, isDryRun: true, imageCount: 1 });
  expect(planned.freedBytes).toBeGreaterThan(100 * KIB);
  expect(await storedDigests(stage)).toEqual(all);
  const purged = await json<RemovalReport>('purge', 'image-0:v1');
  expect(purged).toMatchObject({ ...named, isDryRun: false, imageCount: 1, blobs: 3, freedBytes: planned.freedBytes });
  expect(await storedDigests(stage)).toEqual(
    all.filter((digest) => ![first.digest, first.config, ...first.layers].includes(digest)),
  );

  expect(await run('purge', '--repository', 'image-1')).toMatchObject({ code: 2, stderr: expect.stringMatching('--yes') });
  expect(await json<RemovalReport>('purge', '--repository', 'image-1', '--yes')).toMatchObject({ imageCount: 1 });
  const text = await run('purge', '--upstream', 'docker.io', '--yes');
  expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/removed 1 image and 3 blobs/) });
  expect(await storedDigests({ path })).toEqual([]);
  expect(await run('purge', 'image-0:v1')).toMatchObject({ code: 1, stderr: expect.stringContaining('is not here') });

  origin.resetCounts();
  await pullImage(mirror.url, second);
  expect(origin.blobBytesSent(), 'a purged image is fetched anew').toBeGreaterThan(100 * KIB);
});

test('warm fetches the platforms that are named, goes on with a list after one that does not exist, and tells it', async () => {
  await using stage = await setCommandStage();
  const { origin, mirror, json, jsonWithCode, run } = stage;
  const platforms = ['linux/amd64', 'linux/arm64', 'linux/s390x'];
  const index = buildIndex(origin, 'library/many', 'v1', { platforms, layers: [200 * KIB, 50 * KIB] });
  const [amd64, arm64, s390x] = index.images;
  buildImage(origin, 'library/one', 'v1', { seed: 7, layers: [100 * KIB] });
  buildImage(origin, 'library/two', 'v1', { seed: 8, layers: [100 * KIB] });
  const twoPlatforms = ['--platform', 'linux/amd64', '--platform', 'linux/arm64'];
  const report = await json<WarmReport>('warm', 'many:v1', ...twoPlatforms);
  expect(report).toMatchObject({ images: 1, imagesDone: 1, blobs: 6, blobsDone: 6, failures: [] });
  expect(report.fetchedBytes).toBe(origin.blobBytesSent());
  const wanted = [amd64, arm64].flatMap((image) => (image ? [image.config, ...image.layers] : []));
  expect(await storedDigests(stage)).toEqual(expect.arrayContaining(wanted));
  for (const layer of s390x?.layers ?? []) expect(origin.requestCount({ path: layer })).toBe(0);
  expect(await json<WarmReport>('warm', 'many:v1', ...twoPlatforms), 'again').toMatchObject({ fetchedBytes: 0 });

  const list = await stage.write('list.txt', '# our images\none:v1\nnothing:v1 # gone\n\nlibrary/two:v1\n');
  const listed = await jsonWithCode<WarmReport>(1, 'warm', '--file', list);
  expect(listed).toMatchObject({ images: 3, imagesDone: 3, blobs: 4, blobsDone: 4 });
  expect(listed.failures).toMatchObject([{ image: 'docker.io/library/nothing:v1' }]);
  expect(await run('warm', '--file', list)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^docker\.io\/library\/nothing:v1: .*\nwarmed 3 images, .*1 failed\n$/),
  });
  expect((await run('warm', '--file', stage.file('none.txt'))).code).toBe(2);

  await origin.stop();
  const answer = await ask(mirror, '/v2/library/many/manifests/v1', { headers: { accept: index.mediaType } });
  expect(sha256(answer.body)).toBe(index.digest);
  expect((await ask(mirror, `/v2/library/many/blobs/${arm64?.layers[0]}`)).status).toBe(200);
});

test('refresh says which tags stayed, moved, are gone, and cannot be asked about', async () => {
  await using stage = await setCommandStage();
  const { origin, mirror, json, jsonWithCode } = stage;
  const [stays, moves, goes] = ['stays', 'moves', 'goes'].map((tag, seed) => buildImage(origin, 'library/app', tag, { seed }));
  const moved = buildImage(origin, 'library/app', undefined, { seed: 9 });
  for (const tag of ['stays', 'moves', 'goes']) await ask(mirror, `/v2/library/app/manifests/${tag}`);
  origin.moveTag('library/app', 'moves', moved.digest);
  origin.deleteTag('library/app', 'goes');
  const reports = await json<RefreshReport[]>('refresh', 'app');
  expect(reports.toSorted((a, b) => (a.reference < b.reference ? -1 : 1))).toMatchObject([
    { reference: 'docker.io/library/app:goes', result: 'gone' },
    { reference: 'docker.io/library/app:moves', result: 'moved', digest: moved.digest },
    { reference: 'docker.io/library/app:stays', result: 'unchanged', digest: stays?.digest },
  ]);
  expect((await ask(mirror, '/v2/library/app/manifests/moves')).body).toEqual(moved.bytes);
  expect(moves?.digest).not.toBe(moved.digest);
  expect((await ask(mirror, '/v2/library/app/manifests/goes')).body, 'kept by default').toEqual(goes?.bytes);
  await origin.stop();
  expect(await jsonWithCode<RefreshReport[]>(1, 'refresh', 'app:stays')).toMatchObject([{ result: 'failed' }]);
});

test('evict --to makes room in the order of last use, and names beforehand what it will remove', async () => {
  await using stage = await setCommandStage();
  const { origin, mirror, json } = stage;
  const shared = seededBytes(2 * MIB, 'shared');
  origin.addBlob(shared);
  const images = blobImages(origin, 6, () => [MIB]);
  for (const image of images) await pullImage(mirror.url, image);
  const { disk } = await json<StatusReport>('status');
  const used = disk.contentBytes + disk.inFlightBytes + disk.otherBytes;
  const to = String(used - 2 * MIB);
  const planned = await json<RemovalReport>('evict', '--to', to, '--dry-run');
  const evicted = await json<RemovalReport>('evict', '--to', to);
  expect(evicted.images.map(({ digest }) => digest)).toEqual(images.slice(0, evicted.imageCount).map(({ digest }) => digest));
  expect(evicted.freedBytes).toBeGreaterThan(2 * MIB);
  expect(planned.images).toEqual(evicted.images);
});
