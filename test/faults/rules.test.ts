import { describe, expect, test, vi } from 'vitest';
import type { RefreshReport } from '../../src/registry/operations/operations.ts';
import { buildImage } from '../support/images.ts';
import type { Fault } from '../support/origin-faults.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { administer, imagesOf } from './support/operator.ts';
import { expectOutcome, pullImage } from './support/built-images.ts';
import { setStage } from './support/stage.ts';

const APP = '/v2/library/app';
const OTHER = '/v2/library/other';

describe.concurrent('rules for some repositories', () => {
  test.each(['app', 'index.docker.io/app', 'library/a*', '**/app'])(
    'freshFor for %s: its tags are not asked about, others are',
    async (pattern) => {
      await using stage = await setStage({ upstream: { rules: [{ repositories: [pattern], freshFor: '1h' }] } });
      const { origin, mirror } = stage;
      for (const name of ['library/app', 'library/other']) {
        buildImage(origin, name, 'v1');
        await ask(mirror, `/v2/${name}/manifests/v1`);
      }
      origin.resetCounts();
      expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'hit');
      expectOutcome(await ask(mirror, `/v2/app/manifests/v1`, { method: 'HEAD' }), 'hit');
      expectOutcome(await ask(mirror, `${APP}/manifests/v1?ns=docker.io`), 'hit');
      expect(origin.requests).toEqual([]);
      expectOutcome(await ask(mirror, `${OTHER}/manifests/v1`), 'revalidated');
    },
  );

  test('staleWhileRevalidate: served at once and checked meanwhile', async () => {
    const rules = [{ repositories: ['library/app'], staleWhileRevalidate: '1h' }];
    await using stage = await setStage({ upstream: { rules } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    const moved = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    const answer = await ask(mirror, `${APP}/manifests/v1`);
    expectContent(answer, image.digest);
    expectOutcome(answer, 'updating');
    await vi.waitFor(async () => expectContent(await ask(mirror, `${APP}/manifests/v1`), moved.digest));
  });

  test('staleIfError: not served when the upstream fails, which is never told as 404', async () => {
    const rules = [{ repositories: ['library/app'], staleIfError: '0s' }];
    await using stage = await setStage({ upstream: { rules } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const other = buildImage(origin, 'library/other', 'v1', { seed: 2 });
    await pullImage(mirror, APP, 'v1', image);
    await pullImage(mirror, OTHER, 'v1', other);
    await origin.stop();
    expectError(await ask(mirror, `${APP}/manifests/v1`), GATEWAY_ERRORS);
    expectOutcome(await ask(mirror, `${OTHER}/manifests/v1`), 'stale');
    await pullImage(mirror, APP, image.digest, image);
  });

  test('staleIfError: the upstream may take as long to confirm a tag as to give it', async () => {
    await using stage = await setStage({ upstream: { staleIfError: '0s', timeouts: { headers: '10s' } } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    origin.fault({ path: '/manifests/' }, { kind: 'delay', ms: 5200 });
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
  });

  test('the first that matches counts, for all it does not name the upstream', async () => {
    const rules = [
      { repositories: ['library/app', 'library/app2'], freshFor: '1h' },
      { repositories: ['library/*'], immutable: ['*'], onUpstreamDelete: 'drop' },
    ];
    await using stage = await setStage({ upstream: { immutable: ['r*'], rules } });
    const { origin, mirror } = stage;
    for (const [name, tag] of [
      ['library/app', 'v1'],
      ['library/other', 'v1'],
      ['library/other', 'x1'],
      ['some/app', 'r1'],
      ['some/app', 'v1'],
    ] as const) {
      buildImage(origin, name, tag);
      await ask(mirror, `/v2/${name}/manifests/${tag}`);
    }
    await mirror.restart();
    origin.resetCounts();
    for (const [path, outcome] of [
      ['library/app/manifests/v1', 'hit'],
      ['library/other/manifests/v1', 'hit'],
      ['library/other/manifests/x1', 'hit'],
      ['some/app/manifests/r1', 'hit'],
    ] as const) {
      expectOutcome(await ask(mirror, `/v2/${path}`), outcome);
    }
    expect(origin.requests).toEqual([]);
    expectOutcome(await ask(mirror, '/v2/some/app/manifests/v1'), 'revalidated');
  });

  test("a rule's immutable tags are those of its repositories, and no others", async () => {
    const rules = [{ repositories: ['library/app'], immutable: ['r*'] }];
    await using stage = await setStage({ upstream: { immutable: ['v*'], rules } });
    const { origin, mirror } = stage;
    for (const tag of ['r1', 'v1']) buildImage(origin, 'library/app', tag);
    for (const tag of ['r1', 'v1']) await ask(mirror, `${APP}/manifests/${tag}`);
    expectOutcome(await ask(mirror, `${APP}/manifests/r1`), 'hit');
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
  });
});

describe.concurrent('immutable tags', () => {
  test('are never asked about again, after a restart and without the upstream too', async () => {
    await using stage = await setStage({ upstream: { immutable: ['v*'], staleIfError: '0s' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    buildImage(origin, 'library/app', 'latest', { seed: 3 });
    await ask(mirror, `${APP}/manifests/latest`);
    buildImage(origin, 'library/app', 'v1', { seed: 2 });
    const expectUnasked = async () => {
      origin.resetCounts();
      for (const method of ['GET', 'HEAD']) {
        const answer = await ask(mirror, `${APP}/manifests/v1`, { method });
        expect(answer.headers['docker-content-digest']).toBe(image.digest);
        expectOutcome(answer, 'hit');
      }
      expect(origin.requests).toEqual([]);
    };
    await expectUnasked();
    await mirror.restart();
    await expectUnasked();
    expectOutcome(await ask(mirror, `${APP}/manifests/latest`), 'revalidated');
    await origin.stop();
    await expectUnasked();
    expectError(await ask(mirror, `${APP}/manifests/latest`), GATEWAY_ERRORS);
    await mirror.restart();
    await expectUnasked();
  });

  test('are served when they were deleted there, whatever onUpstreamDelete says', async () => {
    await using stage = await setStage({ upstream: { immutable: ['v*'], onUpstreamDelete: 'drop' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.deleteManifest('library/app', image.digest);
    await pullImage(mirror, APP, 'v1', image);
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'hit');
  });

  test('are asked for as long as they are not here', async () => {
    await using stage = await setStage({ upstream: { immutable: ['v*'] } });
    const { origin, mirror } = stage;
    expectError(await ask(mirror, `${APP}/manifests/v1`), 404);
    const first = buildImage(origin, 'library/app', 'v1');
    const head = await ask(mirror, `${APP}/manifests/v1`, { method: 'HEAD' });
    expect(head.headers['docker-content-digest']).toBe(first.digest);
    await pullImage(mirror, APP, 'v1', first);
  });
});

describe.concurrent('a tag that the upstream no longer has', () => {
  test('is kept unless something else is said', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.deleteManifest('library/app', image.digest);
    for (let times = 0; times < 2; times++) await pullImage(mirror, APP, 'v1', image);
    expect((await ask(mirror, `${APP}/manifests/v1`, { method: 'HEAD' })).status).toBe(200);
    await mirror.restart();
    await pullImage(mirror, APP, 'v1', image);
    expect((await imagesOf(mirror, 'docker.io/library/app'))[0]?.tags).toEqual(['v1']);
  });

  test.each([
    { name: 'by GET', method: 'GET', from: {} },
    { name: 'by HEAD', method: 'HEAD', from: {} },
    { name: 'by GET, where the upstream knows no HEAD', method: 'GET', from: { headManifests: false } },
  ])('is dropped if that is wanted: asked $name', async ({ method, from }) => {
    await using stage = await setStage({ from, upstream: { onUpstreamDelete: 'drop' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    buildImage(origin, 'library/app', 'v2', { seed: 2 });
    await ask(mirror, `${APP}/manifests/v2`);
    origin.deleteTag('library/app', 'v1');
    const answer = await ask(mirror, `${APP}/manifests/v1`, { method });
    if (method === 'HEAD') expect(answer.status).toBe(404);
    else expectError(answer, 404, 'MANIFEST_UNKNOWN');
    const tags = (await imagesOf(mirror, 'docker.io/library/app')).map(({ digest, tags: of }) => [digest, of]);
    expect(Object.fromEntries(tags)).toMatchObject({ [image.digest]: [] });
    await pullImage(mirror, APP, image.digest, image);

    await origin.stop();
    await mirror.restart();
    await pullImage(mirror, APP, image.digest, image);
    expectError(await ask(mirror, `${APP}/manifests/v1`), GATEWAY_ERRORS);
    await origin.restart();
    origin.moveTag('library/app', 'v1', image.digest);
    // Its breaker lets a request through after five seconds at most.
    await vi.waitFor(async () => expectContent(await ask(mirror, `${APP}/manifests/v1`), image.digest), 8000);
  });

  test('is dropped within staleWhileRevalidate after it was served once more', async () => {
    const rules = [{ repositories: ['library/app'], staleWhileRevalidate: '1h', onUpstreamDelete: 'drop' }];
    await using stage = await setStage({ upstream: { rules } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.deleteTag('library/app', 'v1');
    expectContent(await ask(mirror, `${APP}/manifests/v1`), image.digest);
    await vi.waitFor(async () => expectError(await ask(mirror, `${APP}/manifests/v1`), 404, 'MANIFEST_UNKNOWN'));
  });

  test('is dropped by a refresh, which says so', async () => {
    await using stage = await setStage({ upstream: { onUpstreamDelete: 'drop', freshFor: '1h' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.deleteTag('library/app', 'v1');
    const { refreshed } = await administer<{ refreshed: RefreshReport[] }>(mirror, 'POST', '/refresh', {
      image: 'app:v1',
    });
    expect(refreshed).toMatchObject([{ result: 'gone' }]);
    expectError(await ask(mirror, `${APP}/manifests/v1`), 404, 'MANIFEST_UNKNOWN');
    await pullImage(mirror, APP, image.digest, image);
  });

  test('is kept however old it may be served when the upstream fails', async () => {
    await using stage = await setStage({ upstream: { staleIfError: '0s' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.deleteTag('library/app', 'v1');
    for (const method of ['HEAD', 'GET']) {
      const answer = await ask(mirror, `${APP}/manifests/v1`, { method });
      expect(answer.headers['docker-content-digest']).toBe(image.digest);
      expectOutcome(answer, 'stale');
    }
  });

  test('is kept without asking about it with each pull', async () => {
    await using stage = await setStage({ config: { pull: { readAhead: false, notFoundFor: '1h' } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.deleteTag('library/app', 'v1');
    origin.resetCounts();
    for (const method of ['GET', 'HEAD', 'GET']) {
      expectOutcome(await ask(mirror, `${APP}/manifests/v1`, { method }), 'stale');
    }
    expect(origin.requests).toHaveLength(1);
    origin.moveTag('library/app', 'v1', image.digest);
    await administer(mirror, 'POST', '/refresh', { image: 'app:v1' });
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
  });

  test('with its whole repository: the list of tags is dropped too where that is wanted', async () => {
    const rules = [{ repositories: ['library/app'], onUpstreamDelete: 'drop' }];
    await using stage = await setStage({ upstream: { rules } });
    const { origin, mirror } = stage;
    for (const name of ['app', 'other']) {
      buildImage(origin, `library/${name}`, 'v1');
      await ask(mirror, `/v2/library/${name}/manifests/v1`);
      expect((await ask(mirror, `/v2/library/${name}/tags/list`)).status).toBe(200);
    }
    origin.fault({}, { kind: 'status', status: 404 });
    expectError(await ask(mirror, `${APP}/tags/list`), 404, 'NAME_UNKNOWN');
    expect((await ask(mirror, `${OTHER}/tags/list`)).status).toBe(200);
    origin.clearFaults();
    expect((await ask(mirror, `${APP}/tags/list`)).status).toBe(200);
    await origin.stop();
    expect((await ask(mirror, `${APP}/tags/list`)).status).toBe(200);
  });

  test.each([
    { name: '401', fault: { kind: 'status', status: 401 } },
    { name: '403', fault: { kind: 'status', status: 403 } },
    { name: '410 in HTML', fault: { kind: 'status', status: 410, body: '<h1>' } },
    { name: '500', fault: { kind: 'status', status: 500 } },
    { name: 'a sign-in page', fault: { kind: 'html' } },
  ] satisfies { name: string; fault: Fault }[])('is not one for which it answers $name', async ({ name, fault }) => {
    await using stage = await setStage({ upstream: { onUpstreamDelete: 'drop' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    origin.fault({}, fault);
    if (name !== '410 in HTML') expectContent(await ask(mirror, `${APP}/manifests/v1`), image.digest);
    origin.clearFaults();
    await origin.stop();
    expectContent(await ask(mirror, `${APP}/manifests/v1`), image.digest);
  });
});
