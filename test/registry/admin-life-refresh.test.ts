import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { RefreshReport } from '../../src/registry/operations/operations.ts';
import { ask } from '../faults/support/ask.ts';
import { expectOutcome, pullImage } from '../faults/support/built-images.ts';
import { expectContent } from '../faults/support/expectations.ts';
import { type AdminDoor, administer } from '../faults/support/operator.ts';
import { setStage } from '../faults/support/stage.ts';
import { buildImage } from '../support/images.ts';

const APP = '/v2/library/app';
const HOUR = { upstream: { freshFor: '1h' } };

async function refresh(door: AdminDoor, image: string): Promise<RefreshReport[]> {
  return (await administer<{ refreshed: RefreshReport[] }>(door, 'POST', '/refresh', { image })).refreshed;
}

describe.concurrent('a refresh', () => {
  test('of a tag that moved: the next pull gets what it points at now', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    const moved = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    expectContent(await ask(mirror, `${APP}/manifests/v1`), image.digest);
    expect(await refresh(mirror, 'app:v1')).toMatchObject([{ result: 'moved', digest: moved.digest }]);
    await pullImage(mirror, APP, 'v1', moved);
    await pullImage(mirror, APP, image.digest, image);
    await origin.stop();
    await mirror.restart();
    expectContent(await ask(mirror, `${APP}/manifests/v1`), moved.digest);
  });

  test('of a tag that did not move asks without fetching, and makes it fresh', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    await sleep(1100);
    expect(Number((await ask(mirror, `${APP}/manifests/v1`)).headers['age'])).toBeGreaterThan(0);
    origin.resetCounts();
    expect(await refresh(mirror, 'docker.io/library/app:v1')).toMatchObject([
      { result: 'unchanged', digest: image.digest },
    ]);
    expect(origin.requestCount({ method: 'GET' })).toBe(0);
    expect(origin.requestCount({ method: 'HEAD' })).toBe(1);
    const answer = await ask(mirror, `${APP}/manifests/v1`);
    expectOutcome(answer, 'hit');
    expect(answer.headers['age']).toBe('0');
  });

  test('of a repository asks for each of its tags', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    for (const [seed, tag] of ['v1', 'v2', 'v3', 'latest'].entries()) {
      await pullImage(mirror, APP, tag, buildImage(origin, 'library/app', tag, { seed }));
    }
    buildImage(origin, 'library/app', 'v4', { seed: 10 });
    const moved = buildImage(origin, 'library/app', 'v2', { seed: 11 });
    origin.deleteTag('library/app', 'v3');
    origin.fault({ path: '/manifests/latest' }, { kind: 'status', status: 403 });
    const report = await refresh(mirror, 'app');
    const results = report.map(({ reference, result }) => [reference.split(':').at(-1), result]);
    expect(Object.fromEntries(results)).toEqual({ v1: 'unchanged', v2: 'moved', v3: 'gone', latest: 'failed' });
    expect(report.find(({ result }) => result === 'failed')?.error).toBeTruthy();
    expectContent(await ask(mirror, `${APP}/manifests/v2`), moved.digest);
    // Kept, as nothing else was said.
    for (const tag of ['v3', 'latest']) expect((await ask(mirror, `${APP}/manifests/${tag}`)).status).toBe(200);
  });

  test('that fails leaves what is cached as it is', async () => {
    await using stage = await setStage(HOUR);
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    await origin.stop();
    const [report] = await refresh(mirror, 'app:v1');
    expect(report).toMatchObject({ result: 'failed', error: expect.stringMatching(/./) as string });
    await pullImage(mirror, APP, 'v1', image);
  });

  test('of a tag that is neither here nor there fails: nothing is gone', async () => {
    await using stage = await setStage();
    buildImage(stage.origin, 'library/app', 'v1');
    for (const image of ['app:v2', 'none:v1']) {
      expect(await refresh(stage.mirror, image)).toMatchObject([
        { result: 'failed', error: 'it is neither here nor at the upstream' },
      ]);
    }
  });

  test('is refused for what has no tag here', async () => {
    await using stage = await setStage();
    for (const [image, status] of [
      ['a b', 400],
      [`app@sha256:${'ab'.repeat(32)}`, 400],
      ['unknown.example/app:v1', 404],
    ] as const) {
      await expect(refresh(stage.mirror, image), image).rejects.toMatchObject({ status });
    }
    expect(stage.origin.requests).toEqual([]);
  });
});
