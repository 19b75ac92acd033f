import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { WarmReport } from '../../src/registry/operations/operations.ts';
import { buildImage } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError } from './support/expectations.ts';
import { administer, metric, upstreamOf } from './support/operator.ts';
import { expectOutcome, pullImage } from './support/built-images.ts';
import { setStage, type Stage, type StageOptions } from './support/stage.ts';

const APP = '/v2/library/app';

interface LimitedStage extends Stage {
  /** What the upstream tells with each manifest. */
  readonly told: Record<string, string>;
}

/** An upstream that tells what is left of its limit of 100. */
async function setLimitedStage(remaining: number, options: StageOptions = {}, window = 21_600): Promise<LimitedStage> {
  const told = numbers(remaining, window);
  const stage = await setStage({ ...options, from: { ...options.from, manifestHeaders: () => told } });
  return Object.assign(stage, { told });
}

function numbers(remaining: number, window = 21_600): Record<string, string> {
  return { 'ratelimit-limit': `100;w=${window}`, 'ratelimit-remaining': `${remaining};w=${window}` };
}

describe.concurrent('below the reserve of the rate limit', () => {
  test('stale tags are served without asking', async () => {
    await using stage = await setLimitedStage(9);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    const moved = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    origin.resetCounts();
    for (const method of ['GET', 'HEAD', 'GET']) {
      const answer = await ask(mirror, `${APP}/manifests/v1`, { method });
      expect([answer.status, answer.headers['docker-content-digest']]).toEqual([200, image.digest]);
      expectOutcome(answer, 'stale');
    }
    expect(origin.requests).toEqual([]);
    // What it moved to can still be had by those who know it.
    await pullImage(mirror, APP, moved.digest, moved);
    const labels = { upstream: 'docker.io', purpose: 'revalidation', reason: 'reserve' };
    expect(await metric(mirror, 'entrepot_upstream_held_back_total', labels)).toBeGreaterThan(0);
  });

  test('tags within staleWhileRevalidate are served without asking', async () => {
    await using stage = await setLimitedStage(3, { upstream: { staleWhileRevalidate: '1h' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.resetCounts();
    expectContent(await ask(mirror, `${APP}/manifests/v1`), image.digest);
    await sleep(50);
    expect(origin.requests).toEqual([]);
  });

  test('misses go on, even when nothing is left', async () => {
    await using stage = await setLimitedStage(0);
    const { origin, mirror } = stage;
    for (const [seed, tag] of ['v1', 'v2', 'v3'].entries()) {
      await pullImage(mirror, APP, tag, buildImage(origin, 'library/app', tag, { seed }));
    }
    const tags = await ask(mirror, `${APP}/tags/list`);
    expect(JSON.parse(tags.body.toString())).toMatchObject({ tags: ['v1', 'v2', 'v3'] });
    expectError(await ask(mirror, `${APP}/manifests/none`), 404, 'MANIFEST_UNKNOWN');
    expect((await ask(mirror, `${APP}/manifests/none`, { method: 'HEAD' })).status).toBe(404);
  });

  test('a tag that is too old to be served is a miss', async () => {
    await using stage = await setLimitedStage(2, { upstream: { staleIfError: '0s' } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    const moved = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    expectContent(await ask(mirror, `${APP}/manifests/v1`), moved.digest);
  });

  test('nothing is read ahead, and what a client asks for comes', async () => {
    const config = { pull: { readAhead: true, notFoundFor: '0s' } };
    await using stage = await setLimitedStage(4, { config });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [1000, 2000, 3000] });
    await ask(mirror, `${APP}/manifests/v1`);
    await sleep(200);
    expect(origin.requestCount({ path: '/blobs/' })).toBe(0);
    await pullImage(mirror, APP, image.digest, image);

    Object.assign(stage.told, numbers(60));
    const other = buildImage(origin, 'library/app', 'v2', { seed: 9 });
    await ask(mirror, `${APP}/manifests/v2`);
    await origin.waitForRequests({ path: `/blobs/${other.layers[0] ?? ''}` });
  });

  test('nothing is warmed, and the report says why', async () => {
    await using stage = await setLimitedStage(10);
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    buildImage(origin, 'library/other', 'v1', { seed: 2 });
    await ask(mirror, `${APP}/manifests/v1`);
    origin.resetCounts();
    const images = ['other:v1', 'app:v1', 'other:v*'];
    const { failures, fetchedBytes } = await administer<WarmReport>(mirror, 'POST', '/warm', { images });
    expect(origin.requests).toEqual([]);
    expect(fetchedBytes).toBe(0);
    expect(failures.map(({ image }) => image)).toContain('docker.io/library/other:v1');
    for (const { error } of failures) expect(error).toContain('rate limit');
  });

  test('nothing is held back where no reserve is wanted, or no limit is told', async () => {
    await using stage = await setLimitedStage(0, { upstream: { rateReserve: 0 } });
    await using free = await setStage();
    for (const { origin, mirror } of [stage, free]) {
      buildImage(origin, 'library/app', 'v1');
      await ask(mirror, `${APP}/manifests/v1`);
      expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
      expect(await metric(mirror, 'entrepot_upstream_held_back_total')).toBe(0);
    }
    expect((await upstreamOf(free.mirror)).accounts).toEqual([{ blockedForMs: 0 }]);
    expect(await metric(free.mirror, 'entrepot_upstream_rate_limit')).toBe(0);
  });

  test('as large as the configuration says', async () => {
    await using stage = await setLimitedStage(49, { upstream: { rateReserve: '50%' } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'stale');
  });

  test('tags are checked again when the window has passed', async () => {
    await using stage = await setLimitedStage(1, {}, 1);
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'stale');
    await sleep(1100);
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
  });

  test('operators see what is left', async () => {
    await using stage = await setLimitedStage(42);
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    expect((await upstreamOf(mirror)).accounts).toEqual([{ limit: 100, remaining: 42, blockedForMs: 0 }]);
    Object.assign(stage.told, numbers(41));
    await ask(mirror, `${APP}/manifests/v1`);
    const labels = { upstream: 'docker.io' };
    expect(await metric(mirror, 'entrepot_upstream_rate_limit', { ...labels, which: 'limit' })).toBe(100);
    expect(await metric(mirror, 'entrepot_upstream_rate_limit', { ...labels, which: 'remaining' })).toBe(41);
  });
});

describe.concurrent('after 429 with Retry-After', () => {
  test('no request goes out before its time, whoever asks for what', async () => {
    await using stage = await setStage({ from: { referrers: true }, config: { pull: { readAhead: true } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    await ask(mirror, `${APP}/tags/list`);
    await ask(mirror, `${APP}/referrers/${image.digest}`);
    const unknown = buildImage(origin, 'library/app', 'v2', { seed: 2 });
    origin.fault({}, { kind: 'status', status: 429, headers: { 'Retry-After': '8' } }, { times: 1 });
    const blockedAt = Date.now();
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'stale');
    const toldAt = Date.now();
    const asked = origin.requests.length;

    await pullImage(mirror, APP, 'v1', image);
    await pullImage(mirror, APP, image.digest, image);
    expect((await ask(mirror, `${APP}/tags/list`)).status).toBe(200);
    expect((await ask(mirror, `${APP}/referrers/${image.digest}`)).status).toBe(200);
    const paths = ['manifests/v2', `manifests/${unknown.digest}`, `blobs/${unknown.config}`];
    for (const path of [...paths, `referrers/${unknown.digest}`]) {
      const answer = await ask(mirror, `${APP}/${path}`);
      expectError(answer, 429, 'TOOMANYREQUESTS');
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(8);
    }
    expect((await ask(mirror, `${APP}/manifests/v2`, { method: 'HEAD' })).status).toBe(429);
    expectError(await ask(mirror, '/v2/library/other/tags/list'), 429, 'TOOMANYREQUESTS');
    const { failures } = await administer<WarmReport>(mirror, 'POST', '/warm', { images: ['app:v2'] });
    expect(failures).toHaveLength(1);
    const [account] = (await upstreamOf(mirror)).accounts;
    expect(account?.blockedForMs).toBeGreaterThan(0);
    expect(account?.blockedForMs).toBeLessThanOrEqual(8000);
    const labels = { upstream: 'docker.io' };
    expect(await metric(mirror, 'entrepot_upstream_blocked', labels)).toBe(1);
    for (const purpose of ['miss', 'revalidation']) {
      const held = { ...labels, purpose, reason: 'blocked' };
      expect(await metric(mirror, 'entrepot_upstream_held_back_total', held), purpose).toBeGreaterThan(0);
    }
    expect(Date.now() - blockedAt, 'all of this took less than the time told').toBeLessThan(8000);
    expect(origin.requests.slice(asked)).toEqual([]);

    await sleep(toldAt + 8100 - Date.now());
    await pullImage(mirror, APP, 'v2', unknown);
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
    expect(await metric(mirror, 'entrepot_upstream_blocked', labels)).toBe(0);
    expect((await upstreamOf(mirror)).accounts[0]?.blockedForMs).toBe(0);
  });
});
