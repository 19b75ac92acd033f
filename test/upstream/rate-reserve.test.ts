import { describe, expect, it } from 'vitest';
import type { CallOptions, Purpose } from '../../src/upstream/upstream.ts';
import { buildImage } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { connect, digest, quietTelemetry, ref } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';

const V1 = ref('v1');
const INDEX = {
  headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
  body: '{"schemaVersion":2,"manifests":[]}',
};
const HUB = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '10;w=21600' };
const REVALIDATION: CallOptions = { purpose: 'revalidation' };
const HELD_BACK = {
  code: 'RATE_LIMITED',
  status: undefined,
  message: expect.stringContaining('kept for clients') as string,
};

describe.concurrent('when little is left of the rate limit', () => {
  it('the rest is for misses', async () => {
    await using stage = await setStage(HUB);
    const { origin, upstream } = stage;
    await upstream.getManifest('a', V1);
    for (const purpose of ['revalidation', 'warm', 'readAhead'] as const) {
      await expect(upstream.headManifest('a', V1, { purpose })).rejects.toMatchObject(HELD_BACK);
      await expect(upstream.getManifest('a', V1, { purpose: () => purpose })).rejects.toMatchObject(HELD_BACK);
      await expect(upstream.getBlob('a', stage.config, undefined, { purpose })).rejects.toMatchObject(HELD_BACK);
      expect(upstream.mayAsk(purpose)).toBe(false);
    }
    expect(origin.requestCount()).toBe(1);
    await upstream.getManifest('a', V1);
    await upstream.getManifest('a', V1, { purpose: 'miss' });
    expect([origin.requestCount(), upstream.mayAsk('miss')]).toEqual([3, true]);
    const accounts = [{ username: undefined, limit: 100, remaining: 10, blockedForMs: 0 }];
    expect(upstream.report()).toEqual({ isBreakerOpen: false, accounts });
  });

  it('a read-ahead goes on once a client has joined it', async () => {
    await using stage = await setStage(HUB);
    let purpose: Purpose = 'readAhead';
    const options = { purpose: () => purpose };
    await stage.upstream.getManifest('a', V1, options);
    await expect(stage.upstream.getManifest('a', V1, options)).rejects.toMatchObject(HELD_BACK);
    purpose = 'miss';
    await stage.upstream.getManifest('a', V1, options);
  });

  it('misses go on when nothing is left: the upstream decides', async () => {
    await using stage = await setStage({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' });
    await stage.upstream.getManifest('a', V1);
    await stage.upstream.getManifest('a', V1);
    expect(stage.upstream.mayAsk('miss')).toBe(true);
  });

  it('that is forgotten when the window has passed', async () => {
    await using stage = await setStage(HUB);
    const { clock, upstream } = stage;
    await upstream.getManifest('a', V1);
    clock.now += 21_600_000 - 1;
    expect(upstream.mayAsk('readAhead')).toBe(false);
    clock.now += 1;
    expect(upstream.mayAsk('readAhead')).toBe(true);
    expect(upstream.report().accounts[0]).toMatchObject({ limit: undefined, remaining: undefined });
    await upstream.getManifest('a', V1, { purpose: 'readAhead' });
  });

  it.each(['100;w=21600', '100'])('one HEAD a minute asks for new numbers (%s)', async (limit) => {
    await using stage = await setStage({ 'ratelimit-limit': limit, 'ratelimit-remaining': '10' });
    const { clock, origin, upstream } = stage;
    await upstream.getManifest('a', V1);
    await expect(upstream.headManifest('a', V1, REVALIDATION)).rejects.toMatchObject({ retryAfterMs: 60_000 });
    clock.now += 60_000;
    expect([upstream.mayAsk('revalidation'), upstream.mayAsk('warm')]).toEqual([true, false]);
    await expect(upstream.getManifest('a', V1, REVALIDATION)).rejects.toMatchObject(HELD_BACK);
    await expect(upstream.headManifest('a', V1, { purpose: 'warm' })).rejects.toMatchObject(HELD_BACK);
    expect(origin.requestCount()).toBe(1);
    const two = [upstream.headManifest('a', V1, REVALIDATION), upstream.headManifest('a', V1, REVALIDATION)];
    expect((await Promise.allSettled(two)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(origin.requestCount()).toBe(2);

    stage.told = { 'ratelimit-limit': limit, 'ratelimit-remaining': '90' };
    clock.now += 60_000;
    await upstream.headManifest('a', V1, REVALIDATION);
    await upstream.headManifest('a', V1, REVALIDATION);
    expect(upstream.mayAsk('readAhead')).toBe(true);
  });

  it('a HEAD that tells no numbers any more ends it', async () => {
    await using stage = await setStage(HUB);
    await stage.upstream.getManifest('a', V1);
    stage.told = {};
    stage.clock.now += 60_000;
    await stage.upstream.headManifest('a', V1, REVALIDATION);
    expect(stage.upstream.mayAsk('readAhead')).toBe(true);
  });

  it('nothing is kept where no reserve is wanted', async () => {
    await using stage = await setStage({ 'ratelimit-limit': '100', 'ratelimit-remaining': '0' }, 0);
    await stage.upstream.getManifest('a', V1);
    expect(stage.upstream.mayAsk('readAhead')).toBe(true);
    await stage.upstream.getManifest('a', V1, { purpose: 'readAhead' });
  });

  it('the telemetry learns what remains and what was held back', async () => {
    const telemetry = quietTelemetry();
    await using stage = await setStage(HUB, 0.1, telemetry);
    await stage.upstream.getManifest('a', V1);
    await stage.upstream.headManifest('a', V1, REVALIDATION).catch(() => {});
    await stage.upstream.getBlob('a', stage.config, undefined, { purpose: 'readAhead' }).catch(() => {});
    const text = await telemetry.metrics.registry.metrics();
    expect(text).toMatch(/entrepot_upstream_rate_limit\{.*account="anonymous",which="remaining".*\} 10\n/);
    expect(text).toMatch(/entrepot_upstream_held_back_total\{.*purpose="revalidation",reason="reserve".*\} 1\n/);
    expect(text).toMatch(/entrepot_upstream_held_back_total\{.*purpose="readAhead",reason="reserve".*\} 1\n/);
  });
});

describe.concurrent('a rate limit', () => {
  it('is what the registry tells, not its token server, not a challenge, not a host that it redirects to', async () => {
    await using backend = await scriptedServer(() => ({ ...INDEX, headers: { ...INDEX.headers, ...HUB } }));
    await using registry = await scriptedServer();
    registry.answer = ({ headers, url }) => {
      if (url.startsWith('/token')) return { headers: HUB, body: '{"token":"t"}' };
      if (headers.authorization !== undefined) return { status: 307, headers: { location: `${backend.url}${url}` } };
      const challenge = `Bearer realm="${registry.url}/token",service="s"`;
      return { status: 401, headers: { ...HUB, 'www-authenticate': challenge } };
    };
    await using upstream = connect(registry.url);
    await upstream.getManifest('a', V1);
    expect(backend.seen).toHaveLength(1);
    expect(upstream.report().accounts[0]).toMatchObject({ limit: undefined, remaining: undefined });
    registry.answer = () => ({ status: 307, headers: { ...HUB, location: `${backend.url}/blob` } });
    await upstream.getManifest('a', V1);
    expect(upstream.report().accounts[0]).toMatchObject({ limit: 100, remaining: 10 });
  });

  it('that is not told is none', async () => {
    await using stage = await setStage({});
    for (const purpose of ['miss', 'revalidation', 'warm', 'readAhead'] as const) {
      await stage.upstream.getManifest('a', V1, { purpose });
      expect(stage.upstream.mayAsk(purpose)).toBe(true);
    }
  });
});

/** An origin that tells `told` with each manifest, and an upstream with a clock to be moved by hand. */
async function setStage(told: Record<string, string>, rateReserve = 0.1, telemetry = quietTelemetry()) {
  const clock = { now: 1000 };
  const script = { told };
  const origin: Origin = await startOrigin({ manifestHeaders: () => script.told });
  const upstream = connect(origin.url, { rateReserve }, { telemetry, now: () => clock.now });
  const config = digest(buildImage(origin, 'a', 'v1').config);
  return Object.assign(script, {
    clock,
    config,
    origin,
    upstream,
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  });
}
