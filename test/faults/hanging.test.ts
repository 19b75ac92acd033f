import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectCached, expectContent } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const REPOSITORY = '/v2/library/app';
/** The defaults, with which upstream may be silent for half a minute. */
const PATIENT = { freshFor: '0s', retries: 3, timeouts: { connect: '10s', headers: '30s', stall: '30s' } };

/** Three seconds, on a machine that does other things too; without that bound it would be five at least. */
const HELD_MS = 4700;

describe.concurrent('an upstream that hangs', () => {
  test('delays a cached tag by three seconds at most, and then hardly', async () => {
    await using stage = await setStage({ from: { referrers: true }, upstream: PATIENT });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const others = ['v2', 'v3'].map((tag, index) => buildImage(origin, 'library/app', tag, { seed: index + 2 }));
    for (const tag of ['v1', 'v2', 'v3']) await ask(mirror, `${REPOSITORY}/manifests/${tag}`);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    const tags = await ask(mirror, `${REPOSITORY}/tags/list`);
    const referrers = await ask(mirror, `${REPOSITORY}/referrers/${image.digest}`);
    origin.fault({}, { kind: 'stall', afterBytes: -1 }, { beforeAuth: true });

    const blob = await ask(mirror, `${REPOSITORY}/blobs/${image.config}`);
    expectCached(blob, image.config);
    expect(blob.ms, 'a blob').toBeLessThan(2500);
    const byDigest = await ask(mirror, `${REPOSITORY}/manifests/${image.digest}`);
    expectCached(byDigest, image.digest);
    expect(byDigest.ms, 'a digest').toBeLessThan(2500);

    const clients = [1, 2, 3, 4].map(async () => ask(mirror, `${REPOSITORY}/manifests/v1`));
    for (const answer of await Promise.all(clients)) {
      expectCached(answer, image.digest);
      expect(answer.ms, 'the first time').toBeLessThan(HELD_MS);
    }
    for (const [index, tag] of ['v1', 'v2', 'v3', 'v1'].entries()) {
      const answer = await ask(mirror, `${REPOSITORY}/manifests/${tag}`);
      expectCached(answer, [image, ...others][index % 3]?.digest ?? '');
      expect(answer.ms, `${tag} afterwards`).toBeLessThan(2500);
    }
    for (const [path, before] of [
      ['tags/list', tags],
      [`referrers/${image.digest}`, referrers],
    ] as const) {
      const answer = await ask(mirror, `${REPOSITORY}/${path}`);
      expect(answer.status, path).toBe(200);
      expect(answer.body).toEqual(before.body);
      expect(answer.ms, path).toBeLessThan(HELD_MS);
    }
  });

  test('is asked again about a tag within six seconds of answering again', async () => {
    await using stage = await setStage({ upstream: PATIENT });
    const { origin, mirror } = stage;
    const old = buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${REPOSITORY}/manifests/v1`);
    origin.fault({}, { kind: 'stall', afterBytes: -1 });
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/v1`), old.digest);
    origin.clearFaults();
    const young = buildImage(origin, 'library/app', 'v1', { seed: 9 });
    const deadline = performance.now() + 6000;
    let answer = await ask(mirror, `${REPOSITORY}/manifests/v1`);
    while (answer.headers['docker-content-digest'] !== young.digest && performance.now() < deadline) {
      expectCached(answer, old.digest);
      await sleep(100);
      answer = await ask(mirror, `${REPOSITORY}/manifests/v1`);
    }
    expectContent(answer, young.digest);
  });

  test('holds a list that is cached for three seconds at most', async () => {
    await using stage = await setStage({ upstream: PATIENT });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    const tags = await ask(mirror, `${REPOSITORY}/tags/list`);
    origin.fault({}, { kind: 'stall', afterBytes: -1 });
    const answer = await ask(mirror, `${REPOSITORY}/tags/list`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(tags.body);
    expect(answer.ms).toBeLessThan(HELD_MS);
  });

  test('in the middle of a moved tag delays the old manifest by three seconds at most', async () => {
    await using stage = await setStage({ upstream: PATIENT });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${REPOSITORY}/manifests/v1`);
    buildImage(origin, 'library/app', 'v1', { seed: 2 });
    origin.fault({ method: 'GET', path: '/manifests/' }, { kind: 'stall', afterBytes: 20 });
    const answer = await ask(mirror, `${REPOSITORY}/manifests/v1`);
    expectCached(answer, image.digest);
    expect(answer.ms).toBeLessThan(HELD_MS);
  });

  test('at its token server delays a cached tag by three seconds at most', async () => {
    await using stage = await setStage({ from: { auth: { type: 'bearer', anonymous: true } }, upstream: PATIENT });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${REPOSITORY}/manifests/v1`);
    origin.expireTokens();
    origin.fault({ path: '/token' }, { kind: 'stall', afterBytes: -1 });
    const answer = await ask(mirror, `${REPOSITORY}/manifests/v1`);
    expectCached(answer, image.digest);
    expect(answer.ms).toBeLessThan(HELD_MS);
  });

  test('with one blob does not hold up the others', async () => {
    await using stage = await setStage({ upstream: { ...PATIENT, maxConnections: 4 } });
    const { origin, mirror } = stage;
    const stuck = origin.addBlob(seededBytes(300_000, 'stuck'));
    const good = origin.addBlob(seededBytes(300_000, 'good'));
    origin.fault({ path: stuck }, { kind: 'stall', afterBytes: 1000 });
    const controller = new AbortController();
    const waiting = fetch(`${mirror.url}${REPOSITORY}/blobs/${stuck}`, { signal: controller.signal });
    expect((await waiting).status).toBe(200);
    const answer = await ask(mirror, `${REPOSITORY}/blobs/${good}`);
    expectContent(answer, good);
    expect(answer.ms).toBeLessThan(2500);
    controller.abort();
  });
});
