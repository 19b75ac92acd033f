import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { seededBytes } from '../support/bytes.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, digest, readAll } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';

const BYTES = seededBytes(200_000, 1);
const NONE = digest(`sha256:${'0'.repeat(64)}`);

describe.concurrent('a blob', () => {
  it.each([
    ['whole', undefined, { startBytes: 0, isPartial: false }, 0, 200_000],
    ['from a position on', { startBytes: 150_000 }, { startBytes: 150_000, isPartial: true }, 150_000, 200_000],
    ['from the start on', { startBytes: 0 }, { startBytes: 0, isPartial: true }, 0, 200_000],
    ['between two positions', { startBytes: 10, endBytes: 20 }, { startBytes: 10, isPartial: true }, 10, 20],
    [
      'to beyond its end',
      { startBytes: 199_990, endBytes: 300_000 },
      { startBytes: 199_990, isPartial: true },
      199_990,
      200_000,
    ],
  ])('comes %s', async (_, range, expected, start, end) => {
    await using origin = await startOrigin();
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a', digest(origin.addBlob(BYTES)), range);
    expect(blob).toMatchObject({ ...expected, totalBytes: 200_000 });
    expect((await readAll(blob.body)).equals(BYTES.subarray(start, end))).toBe(true);
  });

  it('comes whole from a registry that ignores Range', async () => {
    await using origin = await startOrigin({ ranges: false });
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a', digest(origin.addBlob(BYTES)), { startBytes: 100_000 });
    expect(blob).toMatchObject({ startBytes: 0, isPartial: false, totalBytes: 200_000 });
  });

  it('may come without a length', async () => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(BYTES));
    origin.fault({ path: 'blobs' }, { kind: 'noLength' });
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a', layer, undefined);
    expect(blob.totalBytes).toBeUndefined();
    expect((await readAll(blob.body)).equals(BYTES)).toBe(true);
  });

  it('counts the bytes that came', async () => {
    await using origin = await startOrigin();
    const metrics = new Metrics('test');
    await using upstream = connect(origin.url, {}, { telemetry: new Telemetry(silentLogger(), metrics) });
    await using blob = await upstream.getBlob('a', digest(origin.addBlob(BYTES)), { startBytes: 50_000 });
    await readAll(blob.body);
    expect((await metrics.upstreamBytes.get()).values).toMatchObject([{ value: 150_000 }]);
  });

  it('leaves its connection to the next one', async () => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(BYTES));
    await using upstream = connect(origin.url);
    const ports = new Set<number | undefined>();
    origin.fault(
      { path: 'blobs' },
      {
        kind: 'handler',
        handle: ({ socket }, response) => {
          ports.add(socket.remotePort);
          response.end(BYTES);
        },
      },
    );
    for (let count = 0; count < 10; count++) {
      await using blob = await upstream.getBlob('a', layer, undefined);
      await readAll(blob.body);
    }
    // The next request may be quicker than the pool's notice that the last one is over.
    expect(ports.size).toBeLessThanOrEqual(2);
  });
});

describe.concurrent('a blob is refused', () => {
  it.each([
    ['that begins elsewhere', 206, { 'content-range': 'bytes 0-9/100' }],
    ['that goes further than asked', 206, { 'content-range': 'bytes 10-29/100' }],
    ['that ends before it was asked to', 206, { 'content-range': 'bytes 10-14/100' }],
    ['without Content-Range', 206, {}],
    ['with a Content-Range that contradicts itself', 206, { 'content-range': 'bytes 10-19/15' }],
    [
      'with a Content-Length that contradicts its range',
      206,
      { 'content-range': 'bytes 10-19/100', 'content-length': '4' },
    ],
    ['in several parts', 206, { 'content-type': 'multipart/byteranges; boundary=x' }],
    ['that is a web page', 200, { 'content-type': 'text/html' }],
    ['that is compressed', 200, { 'content-encoding': 'gzip' }],
    ['for a range outside of it', 416, { 'content-range': 'bytes */5' }],
  ])('%s', async (_, status, headers: Record<string, string>) => {
    await using server = await scriptedServer(() => ({ status, headers, body: 'blob' }));
    await using upstream = connect(server.url);
    const call = upstream.getBlob('a', NONE, { startBytes: 10, endBytes: 20 });
    await expect(call).rejects.toMatchObject({ code: 'INVALID', status });
  });

  it('in part when it was asked for whole', async () => {
    await using server = await scriptedServer(() => ({
      status: 206,
      headers: { 'content-range': 'bytes 0-3/4' },
      body: 'blob',
    }));
    await using upstream = connect(server.url);
    await expect(upstream.getBlob('a', NONE, undefined)).rejects.toMatchObject({ code: 'INVALID' });
  });

  it('whole but empty, unless it is', async () => {
    await using server = await scriptedServer(() => ({ headers: { 'content-length': '0' } }));
    await using upstream = connect(server.url);
    for (const range of [undefined, { startBytes: 0, endBytes: 20 }]) {
      await expect(upstream.getBlob('a', NONE, range)).rejects.toMatchObject({ code: 'INVALID', status: 200 });
    }
    for (const algorithm of ['sha256', 'sha512'] as const) {
      await using blob = await upstream.getBlob('a', digestOf(Buffer.of(), algorithm), undefined);
      expect(blob.totalBytes).toBe(0);
    }
  });

  it('that sends more than its range', async () => {
    await using server = await scriptedServer(() => ({
      status: 206,
      headers: { 'content-range': 'bytes 10-19/100', 'transfer-encoding': 'chunked' },
      body: 'more than ten bytes',
    }));
    await using upstream = connect(server.url);
    await using blob = await upstream.getBlob('a', NONE, { startBytes: 10, endBytes: 20 });
    await expect(readAll(blob.body)).rejects.toMatchObject({ code: 'INVALID' });
  });

  it('that sends less than its range', async () => {
    await using server = await scriptedServer(() => ({
      status: 206,
      headers: { 'content-range': 'bytes 10-19/100', 'transfer-encoding': 'chunked' },
      body: 'less',
    }));
    await using upstream = connect(server.url);
    await using blob = await upstream.getBlob('a', NONE, { startBytes: 10, endBytes: 20 });
    await expect(readAll(blob.body)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it.each([
    ['breaks', { kind: 'reset', afterBytes: 100_000 }, 'UNREACHABLE'],
    ['ends early', { kind: 'truncate', afterBytes: 100_000 }, 'UNREACHABLE'],
    ['stalls', { kind: 'stall', afterBytes: 100_000 }, 'TIMEOUT'],
  ] as const)('that %s, after the bytes that came', async (_, fault, code) => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(BYTES));
    origin.fault({ path: 'blobs' }, fault);
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a', layer, undefined);
    let received = 0;
    const reading = (async () => {
      for await (const chunk of blob.body) received += chunk.length;
    })();
    await expect(reading).rejects.toMatchObject({ code, upstream: 'origin.test' });
    expect(received).toBe(100_000);
    expect(origin.requestCount()).toBe(1);
  });
});

describe.concurrent('a reader who comes late', () => {
  it.each(['reset', 'truncate'] as const)('gets all that came before a %s', async (kind) => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(BYTES));
    origin.fault({ path: 'blobs' }, { kind, afterBytes: 100_000 });
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a', layer, undefined);
    await sleep(150);
    const reading = blob.body[Symbol.asyncIterator]();
    let received = 0;
    await expect(async () => {
      for (let next = await reading.next(); !next.done; next = await reading.next()) received += next.value.length;
    }).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(received).toBe(100_000);
  });

  it('gets an error, not an end, when the blob was disposed of', async () => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(BYTES.subarray(0, 1000)));
    origin.fault({ path: 'blobs' }, { kind: 'noLength' });
    await using upstream = connect(origin.url);
    const blob = await upstream.getBlob('a', layer, undefined);
    await sleep(50);
    await blob[Symbol.asyncDispose]();
    await expect(readAll(blob.body)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('holds the sender back', async () => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(seededBytes(50_000_000, 1)));
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a', layer, undefined);
    await sleep(300);
    expect(origin.blobBytesSent()).toBeLessThan(20_000_000);
    expect((await readAll(blob.body)).length).toBe(50_000_000);
  });
});

describe.concurrent('the size of a blob', () => {
  it('is told by HEAD', async () => {
    await using origin = await startOrigin();
    await using upstream = connect(origin.url);
    expect(await upstream.headBlob('a', digest(origin.addBlob(BYTES)))).toEqual({ sizeBytes: 200_000 });
    await expect(upstream.headBlob('a', NONE)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is not told by a HEAD that says 0, unless the blob is empty', async () => {
    await using server = await scriptedServer(() => ({ headers: { 'content-length': '0' } }));
    await using upstream = connect(server.url);
    expect(await upstream.headBlob('a', NONE)).toEqual({ sizeBytes: undefined });
    expect(await upstream.headBlob('a', digestOf(Buffer.of()))).toEqual({ sizeBytes: 0 });
  });

  it.each([
    ['the first byte', true],
    ['the start of all of it', false],
  ])('is told by %s where HEAD is refused', async (_, ranges) => {
    await using origin = await startOrigin({ headBlobs: false, ranges });
    await using upstream = connect(origin.url);
    const size = { sizeBytes: 200_000 };
    expect(await upstream.headBlob('a', digest(origin.addBlob(BYTES)))).toEqual(size);
    await expect(upstream.headBlob('a', NONE)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
