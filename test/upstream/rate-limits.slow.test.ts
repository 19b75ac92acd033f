import { describe, expect, it, vi } from 'vitest';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import type { Fault } from '../support/origin-faults.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, digest, quietTelemetry, readAll, ref } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';

const V1 = ref('v1');
const PATIENT = { connectMs: 5000, headersMs: 5000, stallMs: 5000 };
const SUBJECT = digest(`sha256:${'0'.repeat(64)}`);

describe.concurrent('after a 429', () => {
  it.each<[string, string | undefined, number, number]>([
    ['in seconds', '7', 7000, 7000],
    ['as a date', new Date(Date.now() + 600_000).toUTCString(), 500_000, 600_000],
    ['as nothing that makes sense', 'soon', 5000, 5000],
    ['not at all', undefined, 5000, 5000],
  ])('no request goes out before the time, told %s', async (_, retryAfter, leastMs, mostMs) => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: 'manifests' }, limited(retryAfter), { times: 1 });
    const clock = { now: 1000 };
    await using upstream = connect(origin.url, {}, { now: () => clock.now });
    const error = await upstream.getManifest('a', V1).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'RATE_LIMITED', status: 429 });
    const { retryAfterMs: waitMs } = error as { retryAfterMs: number };
    expect(waitMs).toBeGreaterThanOrEqual(leastMs);
    expect(waitMs).toBeLessThanOrEqual(mostMs);

    clock.now += 1000;
    const refusal = { code: 'RATE_LIMITED', status: undefined, retryAfterMs: waitMs - 1000 };
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject(refusal);
    await expect(upstream.headManifest('a', V1)).rejects.toMatchObject(refusal);
    await expect(upstream.getBlob('a', SUBJECT, undefined)).rejects.toMatchObject(refusal);
    await expect(upstream.headBlob('a', SUBJECT)).rejects.toMatchObject(refusal);
    await expect(upstream.listTags('a')).rejects.toMatchObject(refusal);
    await expect(upstream.listReferrers('a', SUBJECT)).rejects.toMatchObject(refusal);
    clock.now += waitMs - 1001;
    expect([upstream.mayAsk('miss'), upstream.report().accounts[0]?.blockedForMs]).toEqual([false, 1]);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ retryAfterMs: 1 });
    expect(origin.requestCount()).toBe(1);
    clock.now += 1;
    expect([upstream.mayAsk('miss'), upstream.report().accounts[0]?.blockedForMs]).toEqual([true, 0]);
    expect((await upstream.getManifest('a', V1)).digest).toBeDefined();
  });

  it('a date is as of the clock of who tells it', async () => {
    await using server = await scriptedServer(() => ({
      status: 429,
      headers: { date: new Date(0).toUTCString(), 'retry-after': new Date(30_000).toUTCString() },
    }));
    await using upstream = connect(server.url);
    for (const status of [429, undefined]) {
      await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'RATE_LIMITED', status });
    }
    expect(upstream.report().accounts[0]?.blockedForMs).toBeGreaterThan(29_000);
    expect(server.seen).toHaveLength(1);
  });

  it('its end is told when it comes, though nobody asks', async () => {
    await using origin = await startOrigin();
    origin.fault({}, limited('0.2'));
    const telemetry = quietTelemetry();
    const isBlocked = async () => (await telemetry.metrics.upstreamBlocked.get()).values[0]?.value;
    await using upstream = connect(origin.url, { retries: 0 }, { telemetry });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await isBlocked()).toBe(1);
    await vi.waitFor(async () => expect(await isBlocked()).toBe(0), { timeout: 2000 });
  });

  it('nothing waits for a slot first', async () => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(seededBytes(1_000_000, 1)));
    await using upstream = connect(origin.url, { maxConnections: 1 });
    await using _blob = await upstream.getBlob('a', layer, undefined);
    origin.fault({ path: 'manifests' }, limited('60'));
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await expect(upstream.getBlob('a', layer, undefined)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  it('what waited for a slot is refused at once, even if the time is short', async () => {
    await using origin = await startOrigin();
    const layer = digest(origin.addBlob(seededBytes(1_000_000, 1)));
    await using upstream = connect(origin.url, { maxConnections: 1 });
    const running = await upstream.getBlob('a', layer, undefined);
    const waiting = upstream.getBlob('a', layer, undefined);
    waiting.catch(() => {});
    origin.fault({ path: 'manifests' }, limited('2'));
    const abort = new AbortController();
    const asking = upstream.getManifest('a', V1, { signal: abort.signal });
    await expect.poll(() => upstream.mayAsk('miss')).toBe(false);
    await running[Symbol.asyncDispose]();
    await expect(waiting).rejects.toMatchObject({ code: 'RATE_LIMITED', status: undefined });
    abort.abort();
    await expect(asking).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(origin.requestCount()).toBe(2);
  });

  it('a login that is under way does not go on', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    for (const name of ['a', 'b']) buildImage(origin, name, 'v1');
    await using upstream = connect(origin.url, { timeouts: PATIENT });
    await upstream.getManifest('b', V1);
    const held = Promise.withResolvers<void>();
    origin.fault({ path: '/token' }, heldAnswer(held.promise, 200, '{"token":"t"}'));
    const waiting = upstream.getManifest('a', V1);
    waiting.catch(() => {});
    await expect.poll(() => origin.tokenRequests.length).toBe(2);
    origin.fault({ path: '/v2/b/' }, limited('60'));
    await expect(upstream.getManifest('b', V1)).rejects.toMatchObject({ status: 429 });
    held.resolve();
    await expect(waiting).rejects.toMatchObject({ code: 'RATE_LIMITED', status: undefined });
    expect(origin.requestCount({ path: '/v2/a/' })).toBe(0);
  });

  it('the telemetry learns who is blocked, what was held back, and when that is over', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: 'manifests' }, limited('60'), { times: 1 });
    const clock = { now: 1000 };
    const telemetry = quietTelemetry();
    const events: object[] = [];
    telemetry.rateLimitMoved = (event) => void events.push(event);
    telemetry.requestHeldBack = (event) => void events.push(event);
    await using upstream = connect(origin.url, {}, { telemetry, now: () => clock.now });
    await upstream.getManifest('a', V1).catch(() => {});
    await upstream.getManifest('a', V1, { purpose: 'warm' }).catch(() => {});
    clock.now += 60_000;
    await upstream.getManifest('a', V1);
    await upstream.getManifest('a', V1);
    expect(events).toEqual([
      { upstream: 'origin.test', account: 'anonymous', blockedForMs: 60_000, isAnyLeft: false },
      { upstream: 'origin.test', purpose: 'warm', reason: 'blocked' },
      { upstream: 'origin.test', account: 'anonymous', blockedForMs: 0, isAnyLeft: true },
    ]);
  });

  it('the circuit breaker takes a refusal neither for a failure nor for a success', async () => {
    await using origin = await startOrigin();
    const held = Promise.withResolvers<void>();
    origin.fault({ path: 'manifests/failing' }, heldAnswer(held.promise, 500));
    origin.fault({ path: 'manifests/limited' }, limited('60'));
    const layer = digest(origin.addBlob(seededBytes(1_000_000, 1)));
    const clock = { now: 1000 };
    await using upstream = connect(
      origin.url,
      { retries: 0, maxConnections: 1, timeouts: PATIENT },
      { now: () => clock.now },
    );
    const running = await upstream.getBlob('a', layer, undefined);
    const waiting = Promise.allSettled(Array.from({ length: 5 }, () => upstream.getBlob('a', layer, undefined)));
    const failing = Array.from({ length: 4 }, () => upstream.getManifest('a', ref('failing')));
    const outcomes = Promise.allSettled(failing);
    await origin.waitForRequests({ path: 'failing' }, 4);
    await expect(upstream.getManifest('a', ref('limited'))).rejects.toMatchObject({ status: 429 });
    held.resolve();
    await outcomes;
    await running[Symbol.asyncDispose]();
    const refusal = { status: 'rejected', reason: { code: 'RATE_LIMITED', status: undefined } };
    expect(await waiting).toMatchObject(Array.from({ length: 5 }, () => refusal));
    expect(upstream.report().isBreakerOpen).toBe(false);
    clock.now += 60_000;
    await expect(upstream.getManifest('a', ref('failing'))).rejects.toMatchObject({ code: 'UNAVAILABLE', status: 500 });
    expect([upstream.report().isBreakerOpen, upstream.mayAsk('miss')]).toEqual([true, false]);
    clock.now += 1000;
    expect(upstream.mayAsk('miss')).toBe(true);
  });
});

describe.concurrent('a 429 of another host', () => {
  it('leaves that host alone for the time, and asks all others', async () => {
    await using origin = await startOrigin({ redirectBlobs: { to: 'other' } });
    const { config, layers } = buildImage(origin, 'a', 'v1');
    origin.fault({ path: '/storage/' }, limited('60'), { times: 1 });
    const clock = { now: 1000 };
    await using upstream = connect(origin.url, {}, { now: () => clock.now });
    const blob = (text: string | undefined) => upstream.getBlob('a', digest(text), undefined);
    await expect(blob(config)).rejects.toMatchObject({ code: 'RATE_LIMITED', status: 429, retryAfterMs: 60_000 });
    clock.now += 59_000;
    for (const text of [config, ...layers]) {
      const refusal = { code: 'RATE_LIMITED', status: undefined, retryAfterMs: 1000 };
      await expect(blob(text)).rejects.toMatchObject(refusal);
    }
    expect(origin.cdnRequests).toHaveLength(1);
    expect([upstream.mayAsk('readAhead'), upstream.report().accounts[0]?.blockedForMs]).toEqual([true, 0]);
    await upstream.getManifest('a', V1);
    clock.now += 1000;
    await using second = await blob(config);
    expect((await readAll(second.body)).length).toBeGreaterThan(0);
  });

  it('that tells no time concerns only the request that was redirected there', async () => {
    await using origin = await startOrigin({ redirectBlobs: { to: 'other' } });
    const { config } = buildImage(origin, 'a', 'v1');
    origin.fault({ path: '/storage/' }, limited(), { times: 1 });
    await using upstream = connect(origin.url);
    await expect(upstream.getBlob('a', digest(config), undefined)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await using second = await upstream.getBlob('a', digest(config), undefined);
    expect((await readAll(second.body)).length).toBeGreaterThan(0);
  });

  it('that a manifest was redirected to leaves that host alone, whichever account asks', async () => {
    await using origin = await startOrigin();
    await using other = await startOrigin();
    origin.fault({}, redirectTo(other.url));
    other.fault({}, limited('60'));
    const password = new Secret('x');
    const credentials = ['alice', 'bob'].map((username) => ({ type: 'basic' as const, username, password }));
    await using upstream = connect(origin.url, { credentials });
    for (let times = 0; times < 3; times++) {
      await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    }
    expect(other.requestCount()).toBe(1);
  });

  it('blocks the account if that is its token server', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', server: 'other' } });
    for (const name of ['a', 'b']) buildImage(origin, name, 'v1');
    const clock = { now: 1000 };
    await using upstream = connect(origin.url, {}, { now: () => clock.now });
    await upstream.getManifest('a', V1);
    origin.fault({ path: '/token' }, limited('30'), { times: 1 });
    await expect(upstream.getManifest('b', V1)).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 30_000 });
    const before = origin.requestCount();
    for (const name of ['a', 'b']) {
      await expect(upstream.getManifest(name, V1)).rejects.toMatchObject({ code: 'RATE_LIMITED', status: undefined });
    }
    expect([origin.requestCount(), origin.tokenRequests.length]).toEqual([before, 2]);
    clock.now += 30_000;
    await upstream.getManifest('b', V1);
  });
});

function redirectTo(url: string): Fault {
  const handle: Extract<Fault, { kind: 'handler' }>['handle'] = (request, response) => {
    response.writeHead(307, { Location: `${url}${request.url}` }).end();
  };
  return { kind: 'handler', handle };
}

function limited(retryAfter?: string): Fault {
  const headers = retryAfter === undefined ? {} : { 'Retry-After': retryAfter };
  return { kind: 'status', status: 429, headers, body: '<html>Too Many Requests (HAP429)</html>' };
}

/** An answer that comes when the test says so. */
function heldAnswer(held: Promise<void>, status: number, body = ''): Fault {
  return {
    kind: 'handler',
    handle: async (_, response) => {
      await held;
      response.writeHead(status).end(body);
    },
  };
}
