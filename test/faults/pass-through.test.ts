import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { download } from '../support/download.ts';
import { buildImage } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectContent } from './support/expectations.ts';
import { metric, statusOf } from './support/operator.ts';
import { setStage, type Stage, type StageOptions } from './support/stage.ts';
import { ingestFiles, storedDigests } from './support/stored-files.ts';

const QUOTA = 2 * 1024 * 1024;
const SIZE = 3_000_000;
const BYTES = seededBytes(SIZE, 'larger than the quota');

function setSmallStage(options: StageOptions = {}): Promise<Stage> {
  const storage = { path: './data', minFree: 0, quota: QUOTA };
  return setStage({ ...options, config: { storage } });
}

/** Nothing of it is kept, and nothing is promised any more to those who brought it. */
async function expectNothingKept({ mirror }: Stage, digest: string): Promise<void> {
  expect(await storedDigests(mirror)).not.toContain(digest);
  await expect.poll(() => ingestFiles(mirror)).toEqual([]);
  await expect.poll(async () => (await statusOf(mirror)).disk.inFlightBytes).toBe(0);
}

describe('a blob that is larger than the quota', () => {
  test('comes whole, each byte once, and leaves nothing behind', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [SIZE] });
    const [layer = ''] = image.layers;
    await ask(mirror, '/v2/library/app/manifests/v1');
    for (const times of [1, 2]) {
      const answer = await ask(mirror, `/v2/library/app/blobs/${layer}`);
      expectContent(answer, layer);
      expect(answer.headers['cache-status']).toBe('entrepot; fwd=bypass');
      expect(origin.blobBytesSent(layer)).toBe(times * SIZE);
      await expect
        .poll(() => metric(mirror, 'entrepot_bypasses_total', { upstream: 'docker.io', reason: 'quota' }))
        .toBe(times);
    }
    expect(await metric(mirror, 'entrepot_fills_total', { result: 'passed' })).toBe(2);
    expect(await storedDigests(mirror)).toEqual([image.digest]);
    await expectNothingKept(stage, layer);
  });

  test('comes whole, each byte once, if no manifest told its size', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const answer = await ask(mirror, `/v2/library/app/blobs/${blob}`);
    expectContent(answer, blob);
    expect(answer.headers['cache-status']).toBe('entrepot; fwd=bypass');
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
    await expectNothingKept(stage, blob);
  });

  test.each([
    ['bytes=0-99', 0, 100],
    ['bytes=1000000-1999999', 1_000_000, 2_000_000],
    ['bytes=2999990-', 2_999_990, SIZE],
    ['bytes=-7', SIZE - 7, SIZE],
  ])('gives %s', async (range, start, end) => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const answer = await ask(mirror, `/v2/library/app/blobs/${blob}`, { headers: { Range: range }, patienceMs: 3000 });
    expect(answer).toMatchObject({ status: 206, whole: true });
    expect(answer.headers['content-range']).toBe(`bytes ${start}-${end - 1}/${SIZE}`);
    expect(answer.headers['cache-status']).toBe('entrepot; fwd=bypass');
    expect(answer.body.equals(BYTES.subarray(start, end))).toBe(true);
    await expectNothingKept(stage, blob);
  });

  test('comes to others while somebody waits for its end', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `/v2/library/app/blobs/${blob}`;
    const end = ask(mirror, path, { headers: { Range: 'bytes=-7' }, patienceMs: 4000 }).catch(() => undefined);
    await origin.waitForRequests({ path: blob });
    expectContent(await ask(mirror, path, { patienceMs: 3000 }), blob);
    expect((await end)?.body).toEqual(BYTES.subarray(-7));
  });

  test('answers HEAD, and a range behind its end, without being fetched', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const head = await ask(mirror, `/v2/library/app/blobs/${blob}`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers).toMatchObject({ 'content-length': String(SIZE), 'docker-content-digest': blob });
    const behind = await ask(mirror, `/v2/library/app/blobs/${blob}`, { headers: { Range: `bytes=${SIZE}-` } });
    expect(behind.status).toBe(416);
    await expectNothingKept(stage, blob);
  });

  test('is fetched once for ten clients that come together', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    origin.fault({ path: '/blobs/' }, { kind: 'delay', ms: 100 }, { times: 1 });
    const url = `${mirror.url}/v2/library/app/blobs/${blob}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => download(url, { expected: BYTES })));
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 200, isComplete: true, receivedBytes: SIZE, differsAt: undefined });
    }
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
    await expectNothingKept(stage, blob);
  });

  test('comes at the pace of each client: one that stops reading holds up nobody', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const bytes = seededBytes(20_000_000, 'larger than all buffers on the way');
    const blob = origin.addBlob(bytes);
    const url = `${mirror.url}/v2/library/app/blobs/${blob}`;
    const order: string[] = [];
    const slow = download(url, { expected: bytes, pauseMs: 2 }).then((answer) => {
      order.push('slow');
      return answer;
    });
    await origin.waitForRequests({ path: blob });
    const fast = download(url, { expected: bytes }).then((answer) => {
      order.push('fast');
      return answer;
    });
    const whole = { status: 200, isComplete: true, receivedBytes: bytes.length, differsAt: undefined };
    expect(await Promise.all([slow, fast])).toMatchObject([whole, whole]);
    expect(order).toEqual(['fast', 'slow']);
    await expectNothingKept(stage, blob);
  });

  test('goes on for the others when a client leaves, and ends when all left', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const url = `${mirror.url}/v2/library/app/blobs/${blob}`;
    origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 10_000_000 }, { times: 1 });
    const [left, stayed] = await Promise.all([
      download(url, { expected: BYTES, leaveAfterBytes: 500_000 }),
      download(url, { expected: BYTES }),
    ]);
    expect(left.isComplete).toBe(false);
    expect(stayed).toMatchObject({ isComplete: true, receivedBytes: SIZE, differsAt: undefined });
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);

    origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 500_000 }, { times: 1 });
    await download(url, { leaveAfterBytes: 10_000 });
    await expect.poll(async () => (await statusOf(mirror)).fills).toEqual([]);
    expectContent(await ask(mirror, `/v2/library/app/blobs/${blob}`), blob);
    await expectNothingKept(stage, blob);
  });

  test('is shown as a download that is not kept', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 1_500_000 }, { times: 1 });
    const url = `${mirror.url}/v2/library/app/blobs/${blob}`;
    const leaving = download(url, { leaveAfterBytes: 600_000 });
    await expect
      .poll(async () => (await statusOf(mirror)).fills)
      .toMatchObject([
        { digest: blob, repository: 'docker.io/library/app', sizeBytes: SIZE, readers: 1, isKept: false },
      ]);
    await leaving;
  });
});
