import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectCleanFailure, expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { metric, statusOf } from './support/operator.ts';
import { cacheStatus } from './support/pull.ts';
import { setStage, type Stage, type StageOptions } from './support/stage.ts';
import { ingestFiles, storedDigests } from './support/stored-files.ts';

const QUOTA = 2 * 1024 * 1024;
const SIZE = 3_000_000;
const BYTES = seededBytes(SIZE, 'larger than the quota');
const BREAK_AT = 1_000_000;

function setSmallStage({ config, ...options }: StageOptions = {}): Promise<Stage> {
  const storage = { path: './data', minFree: 0, quota: QUOTA };
  return setStage({ ...options, config: { storage, ...config } });
}

async function expectNothingKept({ mirror }: Stage, digest: string): Promise<void> {
  expect(await storedDigests(mirror)).not.toContain(digest);
  await expect.poll(() => ingestFiles(mirror)).toEqual([]);
  await expect.poll(async () => (await statusOf(mirror)).fills).toEqual([]);
  expect((await statusOf(mirror)).disk.inFlightBytes).toBe(0);
}

describe('a blob that is larger than the quota, from an upstream in trouble', () => {
  test.each([100, SIZE - 1])('never ends with wrong bytes: byte %d is another one', async (at) => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `/v2/library/app/blobs/${blob}`;
    origin.fault({ path: '/blobs/', method: 'GET' }, { kind: 'corrupt', at });
    for (const _ of [1, 2]) expectCleanFailure(await ask(mirror, path), SIZE);
    await expectNothingKept(stage, blob);
    origin.clearFaults();
    expectContent(await ask(mirror, path), blob);
    await expectNothingKept(stage, blob);
  });

  test.each([
    { name: 'a reset', fault: { kind: 'reset', afterBytes: BREAK_AT } as const },
    { name: 'an early end', fault: { kind: 'truncate', afterBytes: BREAK_AT } as const },
    { name: 'silence', fault: { kind: 'stall', afterBytes: BREAK_AT } as const },
  ])('goes on after $name where it broke, each byte once', async ({ fault }) => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    origin.fault({ path: '/blobs/', method: 'GET' }, fault, { times: 1 });
    expectContent(await ask(mirror, `/v2/library/app/blobs/${blob}`), blob);
    const ranges = origin.requests.map(({ headers }) => headers.range).filter((range) => range !== undefined);
    const resumedAt = Number(/^bytes=(\d+)-/.exec(ranges.at(-1) ?? '')?.[1]);
    // A reset throws away what the kernel had received and nobody had read: so much comes a second time.
    const lostBytes = fault.kind === 'reset' ? BREAK_AT - resumedAt : 0;
    expect(resumedAt).toBeGreaterThan(fault.kind === 'reset' ? 0 : 900_000);
    expect(resumedAt).toBeLessThanOrEqual(BREAK_AT);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02 + lostBytes);
    await expectNothingKept(stage, blob);
  });

  test('goes on after a break although the upstream ignores Range', async () => {
    await using stage = await setSmallStage({ from: { ranges: false } });
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    origin.fault({ path: '/blobs/', method: 'GET' }, { kind: 'reset', afterBytes: BREAK_AT }, { times: 1 });
    expectContent(await ask(mirror, `/v2/library/app/blobs/${blob}`), blob);
    await expectNothingKept(stage, blob);
  });

  test('breaks off cleanly when the upstream loses it on the way, and comes when it is back', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `/v2/library/app/blobs/${blob}`;
    origin.fault({ path: '/blobs/', method: 'GET' }, { kind: 'reset', afterBytes: BREAK_AT }, { times: 1 });
    origin.fault({ path: '/blobs/' }, { kind: 'status', status: 404 });
    const broken = await ask(mirror, path);
    expect(broken.status).toBe(200);
    expectCleanFailure(broken, SIZE);
    expect(BYTES.subarray(0, broken.body.length).equals(broken.body)).toBe(true);
    await expectNothingKept(stage, blob);
    origin.clearFaults();
    expectContent(await ask(mirror, path), blob);
  });

  test('comes whole if the upstream never says how long it is', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    origin.fault({ path: '/blobs/' }, { kind: 'noLength' });
    for (const _ of [1, 2]) {
      const answer = await ask(mirror, `/v2/library/app/blobs/${blob}`);
      expect(answer).toMatchObject({ status: 200, whole: true });
      expect(answer.body.equals(BYTES)).toBe(true);
    }
    expect(await metric(mirror, 'entrepot_bypasses_total', { reason: 'quota' })).toBeGreaterThan(0);
    await expectNothingKept(stage, blob);
  });

  test('never ends with wrong bytes if the upstream does not say how long it is', async () => {
    await using stage = await setSmallStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, 'other bytes'));
    const other = Buffer.from(seededBytes(SIZE, 'other bytes'));
    other[7] = (other[7] ?? 0) ^ 1;
    const handle = (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end(other);
    };
    origin.fault({ path: '/blobs/', method: 'GET' }, { kind: 'handler', handle });
    expectCleanFailure(await ask(mirror, `/v2/library/app/blobs/${blob}`), SIZE);
    await expectNothingKept(stage, blob);
  });
});

describe('a manifest that does not fit', () => {
  test('is served, by tag and by digest, and not kept', async () => {
    await using stage = await setSmallStage({ upstream: { freshFor: '5m' } });
    const { origin, mirror } = stage;
    const mediaType = IMAGE_MEDIA_TYPES.oci.index;
    const annotations = { padding: seededBytes(1_200_000, 'padding').toString('hex') };
    const digest = origin.addManifest(
      'library/app',
      'v1',
      { schemaVersion: 2, mediaType, manifests: [], annotations },
      mediaType,
    );
    for (const reference of ['v1', digest, 'v1']) {
      expectContent(await ask(mirror, `/v2/library/app/manifests/${reference}`), digest);
    }
    const answer = await ask(mirror, '/v2/library/app/manifests/v1', { method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(answer.headers['docker-content-digest']).toBe(digest);
    expect(await metric(mirror, 'entrepot_bypasses_total', { reason: 'quota' })).toBeGreaterThan(0);
    await expectNothingKept(stage, digest);
    await origin.stop();
    expectError(await ask(mirror, '/v2/library/app/manifests/v1'), GATEWAY_ERRORS);
  });
});

describe('reading ahead', () => {
  test('fetches what fits, and leaves what does not to the client who asks', async () => {
    const pull = { readAhead: true, notFoundFor: '0s' };
    await using stage = await setSmallStage({ config: { pull } });
    const { origin, mirror } = stage;
    const { layers, config } = buildImage(origin, 'library/app', 'v1', { layers: [10_000, SIZE, 20_000] });
    const [first = '', large = '', last = ''] = layers;
    await ask(mirror, '/v2/library/app/manifests/v1');
    await expect.poll(() => storedDigests(mirror)).toEqual(expect.arrayContaining([first, last, config]));
    await expect.poll(async () => (await statusOf(mirror)).fills).toEqual([]);
    expect(origin.blobBytesSent(large), 'nobody waited for these bytes').toBe(0);
    const answer = await ask(mirror, `/v2/library/app/blobs/${large}`);
    expectContent(answer, large);
    expect(cacheStatus(answer)).toBe('entrepot; fwd=bypass');
    expect(origin.blobBytesSent(large)).toBe(SIZE);
    await expectNothingKept(stage, large);
  });
});
