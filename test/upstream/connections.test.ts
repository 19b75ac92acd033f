import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { BlobStream, Purpose } from '../../src/upstream/upstream.ts';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { connect, digest, readAll, ref } from './connect.ts';

const BYTES = seededBytes(1_000_000, 1);

it('no more blobs are under way than connections are allowed', async () => {
  await using origin = await startOrigin();
  const layer = digest(origin.addBlob(BYTES));
  await using upstream = connect(origin.url, { maxConnections: 2 });
  const opened: BlobStream[] = [];
  const calls = Array.from({ length: 3 }, async () => opened.push(await upstream.getBlob('a', layer, undefined)));
  await Promise.race(calls);
  await sleep(50);
  expect([opened.length, origin.requestCount()]).toEqual([2, 2]);
  if (opened[0]) await readAll(opened[0].body);
  await Promise.all(calls);
  await Promise.all(opened.map((blob) => blob[Symbol.asyncDispose]()));
});

it('a manifest does not wait for blobs', async () => {
  await using origin = await startOrigin();
  const layer = digest(origin.addBlob(BYTES));
  buildImage(origin, 'a', 'v1');
  await using upstream = connect(origin.url, { maxConnections: 1 });
  await using blob = await upstream.getBlob('a', layer, undefined);
  expect((await upstream.getManifest('a', ref('v1'))).digest).toBeDefined();
  expect(blob.totalBytes).toBe(BYTES.length);
});

it.each<[string, (blob: BlobStream, abort: AbortController) => unknown]>([
  ['was read to its end', ({ body }) => readAll(body)],
  ['was disposed unread', (blob) => blob[Symbol.asyncDispose]()],
  ['was left in the middle', ({ body }) => readOne(body)],
  ['was given up', (_, abort) => abort.abort()],
])('a blob that %s gives its slot to the next', async (_, finish) => {
  await using origin = await startOrigin();
  const layer = digest(origin.addBlob(BYTES));
  await using upstream = connect(origin.url, { maxConnections: 1 });
  const abort = new AbortController();
  const first = await upstream.getBlob('a', layer, undefined, { signal: abort.signal });
  const second = upstream.getBlob('a', layer, undefined);
  await finish(first, abort);
  await using blob = await second;
  expect((await readAll(blob.body)).equals(BYTES)).toBe(true);
});

it('a blob that fails to start gives its slot to the next', async () => {
  await using origin = await startOrigin();
  const layer = digest(origin.addBlob(BYTES));
  origin.fault({ path: 'blobs' }, { kind: 'html' }, { times: 1 });
  await using upstream = connect(origin.url, { maxConnections: 1 });
  await expect(upstream.getBlob('a', layer, undefined)).rejects.toMatchObject({ code: 'INVALID' });
  await using blob = await upstream.getBlob('a', layer, undefined);
  expect(blob.totalBytes).toBe(BYTES.length);
});

it('what a client waits for goes before what was begun ahead of it', async () => {
  await using origin = await startOrigin();
  const layers = ['first', 'ahead', 'missed'].map((name) => digest(origin.addBlob(seededBytes(1000, name))));
  await using upstream = connect(origin.url, { maxConnections: 1 });
  const get = async (layer: Digest | undefined, purpose: Purpose) => {
    await using blob = await upstream.getBlob('a', digest(layer), undefined, { purpose });
    return readAll(blob.body);
  };
  const [first, ahead, missed] = layers;
  await Promise.all([get(first, 'warm'), get(ahead, 'readAhead'), get(missed, 'miss')]);
  expect(origin.requests.map(({ blob }) => blob)).toEqual([first, missed, ahead]);
});

it('what is not wanted any more is not sent any more', async () => {
  await using origin = await startOrigin();
  const layer = digest(origin.addBlob(seededBytes(50_000_000, 1)));
  await using upstream = connect(origin.url);
  const abort = new AbortController();
  const blob = await upstream.getBlob('a', layer, undefined, { signal: abort.signal });
  const reading = readAll(blob.body);
  abort.abort();
  await expect(reading).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringContaining('gave up') as string,
  });
  await untilStill(origin);
  expect(origin.blobBytesSent()).toBeLessThan(20_000_000);
});

it('a reader who takes his time is no stall', async () => {
  await using origin = await startOrigin();
  const layer = digest(origin.addBlob(seededBytes(8_000_000, 1)));
  await using upstream = connect(origin.url, { timeouts: { connectMs: 500, headersMs: 300, stallMs: 100 } });
  await using blob = await upstream.getBlob('a', layer, undefined);
  let received = 0;
  for await (const chunk of blob.body) {
    if (received === 0) await sleep(400);
    received += chunk.length;
  }
  expect(received).toBe(8_000_000);
});

it('after an upstream is disposed of nothing goes through it', async () => {
  await using origin = await startOrigin();
  const upstream = connect(origin.url, { retries: 0 });
  const layer = digest(origin.addBlob(seededBytes(50_000_000, 1)));
  const blob = await upstream.getBlob('a', layer, undefined);
  await upstream[Symbol.asyncDispose]();
  await expect(readAll(blob.body)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await expect(upstream.listTags('a')).rejects.toMatchObject({ code: 'UNREACHABLE' });
});

async function readOne(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) if (chunk.length > 0) return;
}

async function untilStill(origin: Origin): Promise<void> {
  for (let before = -1; before !== origin.blobBytesSent(); await sleep(50)) before = origin.blobBytesSent();
}
