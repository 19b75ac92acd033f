import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import type { Fault } from '../support/origin-faults.ts';
import { ask, type ClientAnswer } from './support/ask.ts';
import { expectCached, expectContent, expectError } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const REPOSITORY = '/v2/library/app';

function limited(retryAfter?: string, body = ''): Fault {
  return {
    kind: 'status',
    status: 429,
    body,
    ...(retryAfter !== undefined && { headers: { 'Retry-After': retryAfter } }),
  };
}

function expectLimited(answer: ClientAnswer): number {
  expectError(answer, 429, 'TOOMANYREQUESTS');
  expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  expect(answer.ms, 'the client is not kept waiting').toBeLessThan(5000);
  const seconds = Number(answer.headers['retry-after']);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds, 'a sane time').toBeLessThanOrEqual(6 * 3600);
  return seconds;
}

describe.concurrent('an upstream that answers 429', () => {
  test.each([
    { name: 'with Retry-After in seconds', retryAfter: '7' },
    { name: 'with Retry-After as a date', retryAfter: new Date(Date.now() + 60_000).toUTCString() },
    { name: 'with Retry-After as seconds since 1970', retryAfter: String(Math.floor(Date.now() / 1000) + 60) },
    { name: 'with a Retry-After that means nothing', retryAfter: 'soon' },
    { name: 'without Retry-After', retryAfter: undefined },
  ])('$name: nothing cached is 429 with Retry-After', async ({ retryAfter }) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    origin.fault({}, limited(retryAfter, '<html>Too Many Requests (HAP429)</html>'), { beforeAuth: true });

    const seconds = expectLimited(await ask(mirror, `${REPOSITORY}/manifests/v1`));
    if (retryAfter === '7') expect(seconds).toBeLessThanOrEqual(7);
    expectLimited(await ask(mirror, `${REPOSITORY}/manifests/${image.digest}`));
    expectLimited(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`));
    expectLimited(await ask(mirror, `${REPOSITORY}/tags/list`));
    expect((await ask(mirror, `${REPOSITORY}/manifests/v1`, { method: 'HEAD' })).status).toBe(429);
  });

  test('serves after the time it told', async () => {
    await using stage = await setStage({ upstream: { retries: 0 } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    origin.fault({}, limited('1'));
    const seconds = expectLimited(await ask(mirror, `${REPOSITORY}/manifests/v1`));
    expect(seconds).toBe(1);
    expectLimited(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`));
    origin.clearFaults();
    await sleep(1050);
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
  });

  test('is left alone for the time it told, over a restart too', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    origin.fault({}, limited('4'));
    expectLimited(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`));
    const until = Date.now() + 4000;
    origin.clearFaults();
    origin.resetCounts();
    await mirror.restart();
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectLimited(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`));
    expect(origin.requests).toEqual([]);
    await sleep(until - Date.now() + 50);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
  });

  test('is waited for once if that takes a second, and then serves', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    origin.fault({ path: '/blobs/' }, limited('1'), { times: 1 });
    const answer = await ask(mirror, `${REPOSITORY}/blobs/${image.config}`);
    if (answer.status === 200) expectContent(answer, image.config);
    else expectLimited(answer);
  });

  test.each(['5', undefined, '3600'])('Retry-After %s: what is cached is served at once', async (retryAfter) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    origin.fault({}, limited(retryAfter), { beforeAuth: true });

    for (const reference of ['v1', 'v1', image.digest]) {
      const answer = await ask(mirror, `${REPOSITORY}/manifests/${reference}`);
      expectCached(answer, image.digest);
      expect(answer.ms).toBeLessThan(4700);
    }
    expectCached(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
  });

  test('at its token server: nothing cached is 429, what is cached is served', async () => {
    await using stage = await setStage({ from: { auth: { type: 'bearer', anonymous: true } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    origin.expireTokens();
    origin.fault({ path: '/token' }, limited('3'));

    expectLimited(await ask(mirror, '/v2/library/other/manifests/v1'));
    expectLimited(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`));
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
  });

  test('at its storage behind a redirect: nothing cached is 429', async () => {
    await using stage = await setStage({ from: { redirectBlobs: { to: 'other' } } });
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(10_000, 'blob'));
    origin.fault({ path: '/storage/' }, limited('3'));
    expectLimited(await ask(mirror, `${REPOSITORY}/blobs/${blob}`));
  });

  test('in the middle of a blob, to the resumption: right bytes or a break, and right bytes afterwards', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(300_000, 'blob'));
    origin.fault({ range: false, path: '/blobs/' }, { kind: 'reset', afterBytes: 100_000 }, { times: 1 });
    origin.fault({ range: true, path: '/blobs/' }, limited('1'), { times: 1 });
    const answer = await ask(mirror, `${REPOSITORY}/blobs/${blob}`);
    if (answer.whole) expectContent(answer, blob);
    await sleep(1050);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${blob}`), blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(300_000 * 1.02);
  });
});
