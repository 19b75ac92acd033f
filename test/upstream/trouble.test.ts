import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../support/origin-faults.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, quietTelemetry, ref } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';

const V1 = ref('v1');

describe.concurrent('trouble that passes', () => {
  it.each<[string, Fault]>([
    ['503', { kind: 'status', status: 503 }],
    ['500', { kind: 'status', status: 500 }],
    ['408', { kind: 'status', status: 408 }],
    ['a reset', { kind: 'reset' }],
    ['429 with a short Retry-After', { kind: 'status', status: 429, headers: { 'Retry-After': '0' } }],
    ['503 with a short Retry-After', { kind: 'status', status: 503, headers: { 'Retry-After': '0' } }],
  ])('is not noticed: %s, twice', async (_, fault) => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: 'manifests' }, fault, { times: 2 });
    await using upstream = connect(origin.url);
    expect((await upstream.headManifest('a', V1)).digest).toBeDefined();
    expect(origin.requestCount()).toBe(3);
  });

  it('waits as long as the upstream asks, if that is short', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    const headers = { 'Retry-After': '0.3' };
    origin.fault({ path: 'manifests' }, { kind: 'status', status: 429, headers }, { times: 1 });
    await using upstream = connect(origin.url);
    await upstream.headManifest('a', V1);
    const [first, second] = origin.requests;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(290);
  });
});

describe.concurrent('trouble that does not pass', () => {
  it.each<[string, Fault, object, number]>([
    ['503', { kind: 'status', status: 503 }, { code: 'UNAVAILABLE', status: 503 }, 3],
    ['a reset', { kind: 'reset' }, { code: 'UNREACHABLE' }, 3],
    ['silence', { kind: 'stall', afterBytes: -1 }, { code: 'TIMEOUT' }, 1],
    ['429', { kind: 'status', status: 429 }, { code: 'RATE_LIMITED', status: 429, retryAfterMs: 5000 }, 1],
    [
      '429 for a minute',
      { kind: 'status', status: 429, headers: { 'Retry-After': '60' } },
      { code: 'RATE_LIMITED', retryAfterMs: 60_000 },
      1,
    ],
    [
      '503 for a minute',
      { kind: 'status', status: 503, headers: { 'Retry-After': '60' } },
      { code: 'UNAVAILABLE', retryAfterMs: 60_000 },
      1,
    ],
    ['404', { kind: 'status', status: 404 }, { code: 'NOT_FOUND' }, 1],
  ])('is told: %s', async (_, fault, expected, requests) => {
    await using origin = await startOrigin();
    origin.fault({ path: 'manifests' }, fault);
    await using upstream = connect(origin.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject(expected);
    expect(origin.requestCount()).toBe(requests);
  });

  it('is UNREACHABLE where nobody listens, and for a name that nobody knows', async () => {
    await using origin = await startOrigin();
    await origin.stop();
    await using upstream = connect(origin.url, { retries: 0 });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await using lost = connect('http://registry.test', { retries: 0 }, { resolve: resolveNothing });
    await expect(lost.getManifest('a', V1)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('ENOTFOUND') as string,
    });
  });

  it('is INVALID where someone does not speak HTTP, or sends endless headers', async () => {
    await using server = await scriptedServer(() => ({ headers: { 'x-junk': 'x'.repeat(100_000) } }));
    await using upstream = connect(server.url, { retries: 0 });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    await using origin = await startOrigin();
    origin.fault({}, { kind: 'handler', handle: speakSmtp });
    await using other = connect(origin.url, { retries: 0 });
    await expect(other.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
  });
});

describe.concurrent('the circuit breaker', () => {
  it('holds requests back after five failures, and lets them through when the upstream is back', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    await origin.stop();
    const clock = { now: 1000 };
    const telemetry = quietTelemetry();
    const moves: boolean[] = [];
    telemetry.breakerMoved = ({ open }) => void moves.push(open);
    await using upstream = connect(origin.url, { retries: 0 }, { telemetry, now: () => clock.now });
    for (let count = 0; count < 5; count++) {
      await expect(upstream.headManifest('a', V1)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    }
    await expect(upstream.headManifest('a', V1)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1000 });
    await origin.restart();
    await expect(upstream.headManifest('a', V1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(origin.requestCount()).toBe(0);
    clock.now += 1000;
    await upstream.headManifest('a', V1);
    await upstream.headManifest('a', V1);
    expect(moves).toEqual([true, false]);
  });

  it.each([404, 429, 401, 403, 400])('does not mind %d', async (status) => {
    await using server = await scriptedServer(() => ({ status, headers: { 'retry-after': '0' } }));
    await using upstream = connect(server.url, { retries: 0 });
    for (let count = 0; count < 8; count++) await upstream.getManifest('a', V1).catch(() => {});
    expect(server.seen.filter(({ url }) => url !== '/v2/')).toHaveLength(8);
  });

  it('does not mind a moment in which all connections break', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: 'manifests' }, { kind: 'reset' }, { times: 10 });
    await using upstream = connect(origin.url, { maxConnections: 10 });
    const calls = Array.from({ length: 10 }, () => upstream.headManifest('a', V1));
    expect((await Promise.all(calls)).every(({ digest }) => digest !== undefined)).toBe(true);
  });

  it('takes one failed token request for one failure, however many wait for it', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: '/token' }, { kind: 'delay', ms: 50 }, { times: 1 });
    origin.fault({ path: '/token' }, { kind: 'status', status: 503 }, { times: 1 });
    await using upstream = connect(origin.url, { retries: 0, maxConnections: 10 });
    const calls = Array.from({ length: 10 }, () => upstream.headManifest('a', V1));
    expect((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected')).toBe(true);
    expect((await upstream.headManifest('a', V1)).digest).toBeDefined();
  });

  it('learns nothing from callers who leave', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    origin.fault({}, { kind: 'stall', afterBytes: -1 }, { times: 8 });
    await using upstream = connect(origin.url, { retries: 0 });
    const calls = Array.from({ length: 8 }, () => upstream.headManifest('a', V1, { signal: AbortSignal.timeout(30) }));
    await Promise.allSettled(calls);
    expect((await upstream.headManifest('a', V1)).digest).toBeDefined();
  });

  it('is not reached by a failure that hides between answers', async () => {
    await using server = await scriptedServer();
    await using upstream = connect(server.url, { retries: 0 });
    for (const status of [500, 500, 500, 500, 404, 500, 500, 500, 500, 429, 500, 500, 500, 500]) {
      server.answer = () => ({ status, headers: { 'retry-after': '0' } });
      await upstream.getManifest('a', V1).catch(() => {});
    }
    expect(server.seen).toHaveLength(14);
  });
});

describe.concurrent('a caller who leaves', () => {
  it('gets an answer at once, wherever the request is', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    buildImage(origin, 'a', 'v1');
    await using upstream = connect(origin.url, { timeouts: { connectMs: 5000, headersMs: 5000, stallMs: 5000 } });
    for (const path of ['/token', 'manifests']) {
      origin.fault({ path }, { kind: 'stall', afterBytes: -1 }, { times: 1 });
      const start = performance.now();
      const call = upstream.getManifest('a', V1, { signal: AbortSignal.timeout(50) });
      await expect(call).rejects.toMatchObject({ code: 'TIMEOUT', cause: { name: 'TimeoutError' } });
      expect(performance.now() - start).toBeLessThan(1500);
    }
  });

  it('does not wait for the next try', async () => {
    await using origin = await startOrigin();
    origin.fault({}, { kind: 'status', status: 429, headers: { 'Retry-After': '2' } });
    await using upstream = connect(origin.url);
    const start = performance.now();
    await expect(upstream.getManifest('a', V1, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(performance.now() - start).toBeLessThan(1500);
  });

  it('is not served when he has left before', async () => {
    await using origin = await startOrigin();
    await using upstream = connect(origin.url);
    await expect(upstream.getManifest('a', V1, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(origin.requestCount()).toBe(0);
  });

  it('does not take the token from those who stay', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: '/token' }, { kind: 'delay', ms: 100 }, { times: 1 });
    await using upstream = connect(origin.url);
    const leaver = upstream.getManifest('a', V1, { signal: AbortSignal.timeout(50) });
    await sleep(20);
    const stayer = upstream.getManifest('a', V1);
    await expect(leaver).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect((await stayer).digest).toBeDefined();
    expect(origin.tokenRequests).toHaveLength(1);
  });
});

function resolveNothing(): Promise<never> {
  return Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
}

function speakSmtp({ socket }: IncomingMessage): void {
  socket.end('220 smtp ready\r\n');
}
