import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RefreshReport, WarmReport } from '../../src/registry/operations/operations.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { ask, type ClientAnswer, type Door } from './support/ask.ts';
import { pullImage, pullIndex, reasonOf } from './support/built-images.ts';
import { expectError } from './support/expectations.ts';
import { administer } from './support/operator.ts';
import { setStage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const ROUTES = ['manifests/v1', `manifests/${DIGEST}`, `blobs/${DIGEST}`, 'tags/list', `referrers/${DIGEST}`];

function expectDenied(answer: ClientAnswer): void {
  expectError(answer, 403, 'DENIED');
  expect(reasonOf(answer)).toMatch(/may (not )?be pulled here/);
}

async function isDenied(door: Door, path: string): Promise<boolean> {
  const { status } = await ask(door, `${path}/manifests/v1`);
  return status === 403;
}

describe.concurrent('repositories that may not be pulled', () => {
  test('are 403 with the reason on every route, and nothing goes upstream', async () => {
    await using stage = await setStage({ upstream: { deny: ['library/secret*', 'docker.io/evil/**'] } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/secret', 'v1');
    buildImage(origin, 'evil/corp/app', 'v1');
    for (const path of [
      '/v2/library/secret',
      '/v2/secret',
      '/v2/secret2',
      '/v2/docker.io/library/secret',
      '/v2/docker.io/secret',
      '/v2/index.docker.io/library/secret',
      '/v2/registry-1.docker.io/secret',
      '/docker.io/v2/library/secret',
      '/v2/evil/app',
      '/v2/evil/corp/app',
      '/v2/docker.io/evil/corp/app',
    ]) {
      for (const route of ROUTES) expectDenied(await ask(mirror, `${path}/${route}`));
      for (const route of ROUTES.slice(0, 3)) {
        const head = await ask(mirror, `${path}/${route}`, { method: 'HEAD' });
        expect([head.status, head.body.length], path).toEqual([403, 0]);
      }
    }
    expectDenied(await ask(mirror, '/v2/library/secret/manifests/v1?ns=docker.io'));
    expectDenied(await ask(mirror, `/v2/secret/blobs/${DIGEST}?ns=index.docker.io`));
    expectDenied(await ask(mirror, `/v2/library/secret/blobs/${DIGEST}`, { headers: { range: 'bytes=0-9' } }));
    expect(origin.requests).toEqual([]);
  });

  test.each([
    ['deny', 'library/*', ['library/alpine', 'debian'], ['team/app', 'team/library/app']],
    ['deny', 'index.docker.io/debian', ['debian', 'library/debian'], ['alpine']],
    ['deny', '**/app', ['app', 'team/app', 'team/a/app'], ['team/app/x', 'myapp']],
    ['allow', 'alpine', ['debian', 'team/alpine'], ['alpine', 'library/alpine']],
    ['allow', 'docker.io/team/*', ['team/a/b', 'app'], ['team/app']],
  ] as const)('%s: [%s]', async (key, pattern, denied, allowed) => {
    await using stage = await setStage({ upstream: { [key]: [pattern] } });
    const { mirror } = stage;
    for (const name of denied) expect([name, await isDenied(mirror, `/v2/${name}`)]).toEqual([name, true]);
    for (const name of allowed) expect([name, await isDenied(mirror, `/v2/${name}`)]).toEqual([name, false]);
  });

  test('are those of deny whatever allow says', async () => {
    const upstream = { allow: ['library/*', 'team/app'], deny: ['library/secret', 'team/**'] };
    await using stage = await setStage({ upstream });
    const { origin, mirror } = stage;
    await pullImage(mirror, '/v2/app', 'v1', buildImage(origin, 'library/app', 'v1'));
    for (const name of ['secret', 'team/app', 'other/app']) {
      expectDenied(await ask(mirror, `/v2/${name}/manifests/v1`));
    }
  });

  test('are those of their upstream only', async () => {
    await using other = await startOrigin();
    const image = buildImage(other, 'team/app', 'v1');
    const upstreams = {
      'docker.io': { url: 'http://127.0.0.1:9', default: true, deny: ['**'] },
      'quay.io': { url: other.url, allow: ['team/*'] },
    };
    await using stage = await setStage({ config: { upstreams } });
    const { mirror } = stage;
    await pullImage(mirror, '/v2/quay.io/team/app', 'v1', image);
    expectDenied(await ask(mirror, '/v2/team/app/manifests/v1'));
    expectDenied(await ask(mirror, `/v2/team/app/blobs/${image.config}`));
    expectDenied(await ask(mirror, '/v2/quay.io/other/app/manifests/v1'));
    await pullImage(mirror, '/v2/quay.io/team/app', image.digest, image);
  });

  test('are not served from what is cached either', async () => {
    await using origin = await startOrigin();
    await using folder = await temporaryDirectory();
    const config = { storage: { path: join(folder.path, 'data'), minFree: 0 } };
    const index = buildIndex(origin, 'library/secret', 'v1');
    const image = buildImage(origin, 'library/app', 'v1', { seed: 7 });
    {
      await using mirror = await startMirror(origin, { config });
      await pullIndex(mirror, '/v2/secret', 'v1', index);
      await ask(mirror, '/v2/secret/tags/list');
      await pullImage(mirror, '/v2/app', 'v1', image);
    }
    origin.resetCounts();
    for (const offline of [false, true]) {
      await using mirror = await startMirror(origin, { config, upstream: { deny: ['secret'], offline } });
      const [part] = index.images;
      for (const route of [
        'manifests/v1',
        `manifests/${index.digest}`,
        `manifests/${part?.digest}`,
        `blobs/${part?.config}`,
        'tags/list',
        `referrers/${index.digest}`,
      ]) {
        expectDenied(await ask(mirror, `/v2/secret/${route}`));
        const head = await ask(mirror, `/v2/secret/${route}`, { method: 'HEAD' });
        expect(head.status, route).toBeOneOf([403, 405]);
      }
      expect(origin.requests).toEqual([]);
      await pullImage(mirror, '/v2/app', image.digest, image);
    }
  });

  test('are told so in the words of the README', async () => {
    await using stage = await setStage({ upstream: { allow: ['library/app'], deny: ['library/secret'] } });
    for (const name of ['secret', 'other']) {
      const answer = await ask(stage.mirror, `/v2/${name}/manifests/v1`);
      expect(reasonOf(answer), name).toContain('may not be pulled here');
    }
  });

  test.each(['secret:v1', 'secret:v*', `secret@${DIGEST}`])('are not warmed: %s', async (image) => {
    await using stage = await setStage({ upstream: { deny: ['library/secret'] } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/secret', 'v1');
    const { failures } = await administer<WarmReport>(mirror, 'POST', '/warm', { images: [image] });
    expect(failures.map(({ error }) => error)).toEqual([expect.stringMatching(/may (not )?be pulled here/)]);
    expect(origin.requests).toEqual([]);
  });

  test('are not fetched by a refresh', async () => {
    await using stage = await setStage({ upstream: { deny: ['library/secret'] } });
    const { origin, mirror } = stage;
    buildImage(origin, 'library/secret', 'v1');
    await administer<{ refreshed: RefreshReport[] }>(mirror, 'POST', '/refresh', { image: 'secret:v1' }).catch(
      () => undefined,
    );
    expect(origin.requests).toEqual([]);
    expect(await storedDigests(mirror)).toEqual([]);
  });
});
