import { describe, expect, test } from 'vitest';
import type {
  RefreshReport,
  UpstreamStatus,
  VerifyReport,
  WarmReport,
} from '../../src/registry/operations/operations.ts';
import { buildImage } from '../support/images.ts';
import { ask, type ClientAnswer } from './support/ask.ts';
import { expectOutcome, pullImage, reasonOf } from './support/built-images.ts';
import { expectContent, expectError } from './support/expectations.ts';
import { type AdminDoor, administer, Refused, upstreamOf } from './support/operator.ts';
import { setStage } from './support/stage.ts';

const APP = '/v2/library/app';

function setOffline(door: AdminDoor, offline: boolean, name = 'docker.io'): Promise<UpstreamStatus> {
  return administer(door, 'PUT', `/upstreams/${name}/offline`, { offline });
}

function expectOffline(answer: ClientAnswer): void {
  expectError(answer, 503);
  expect(reasonOf(answer)).toContain('is switched to offline');
}

describe.concurrent('an upstream that is switched to offline', () => {
  test('is not asked for anything, and everything cached is served', async () => {
    await using stage = await setStage({ from: { referrers: true }, upstream: { staleIfError: '0s' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    buildImage(origin, 'library/app', 'v2', { seed: 2 });
    const lists = [`${APP}/tags/list`, `${APP}/referrers/${image.digest}`];
    const before = [await ask(mirror, lists[0] ?? ''), await ask(mirror, lists[1] ?? '')];
    expect(await setOffline(mirror, true)).toMatchObject({ name: 'docker.io', isOffline: true });
    expect(await upstreamOf(mirror)).toMatchObject({ isOffline: true });
    buildImage(origin, 'library/app', 'v1', { seed: 3 });
    origin.resetCounts();

    await pullImage(mirror, APP, 'v1', image);
    await pullImage(mirror, APP, image.digest, image);
    const head = await ask(mirror, `${APP}/manifests/v1`, { method: 'HEAD' });
    expect([head.status, head.headers['docker-content-digest']]).toEqual([200, image.digest]);
    const after = [await ask(mirror, lists[0] ?? ''), await ask(mirror, lists[1] ?? '')];
    expect(after.map(({ status, body }) => [status, body.toString()])).toEqual(
      before.map(({ body }) => [200, body.toString()]),
    );
    expect(origin.requests).toEqual([]);
  });

  test('leaves what is not cached at 503 with the reason', async () => {
    await using stage = await setStage({ from: { referrers: true } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const absent = buildImage(origin, 'library/app', 'v2', { seed: 2 });
    await ask(mirror, `${APP}/manifests/v1`);
    await setOffline(mirror, true);
    origin.resetCounts();
    for (const path of [
      'app/manifests/v2',
      `app/manifests/${absent.digest}`,
      `app/blobs/${image.config}`,
      `app/blobs/${absent.config}`,
      `app/referrers/${image.digest}`,
      'none/manifests/v1',
      'none/tags/list',
    ]) {
      expectOffline(await ask(mirror, `/v2/library/${path}`));
    }
    for (const path of ['app/manifests/v2', `app/manifests/${absent.digest}`, `app/blobs/${absent.config}`]) {
      expect((await ask(mirror, `/v2/library/${path}`, { method: 'HEAD' })).status, path).toBe(503);
    }
    const tags = await ask(mirror, `${APP}/tags/list`);
    expect([tags.status, JSON.parse(tags.body.toString())]).toMatchObject([200, { tags: ['v1'] }]);
    expect(origin.requests).toEqual([]);
  });

  test('does not give out content of another repository, which only the upstream could confirm', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    await setOffline(mirror, true);
    origin.resetCounts();
    expectOffline(await ask(mirror, `/v2/library/other/blobs/${image.config}`));
    expectOffline(await ask(mirror, `/v2/library/other/manifests/${image.digest}`));
    expect(origin.requests).toEqual([]);
  });

  test('is not asked by operators either', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await pullImage(mirror, APP, 'v1', image);
    await setOffline(mirror, true);
    origin.resetCounts();
    const { refreshed } = await administer<{ refreshed: RefreshReport[] }>(mirror, 'POST', '/refresh', {
      image: 'app:v1',
    });
    expect(refreshed).toMatchObject([{ result: 'failed' }]);
    expect(refreshed[0]?.error).toContain('offline');
    const { failures } = await administer<WarmReport>(mirror, 'POST', '/warm', { images: ['app:v2', 'app:*'] });
    for (const { error } of failures) expect(error).toContain('offline');
    expect(failures).toHaveLength(2);
    const { damaged, missing } = await administer<VerifyReport>(mirror, 'POST', '/verify', { image: 'app:v1' });
    expect([damaged, missing]).toEqual([[], []]);
    expect(origin.requests).toEqual([]);
    await pullImage(mirror, APP, 'v1', image);
  });

  test('is asked again when it is switched to online', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    await ask(mirror, `${APP}/manifests/v1`);
    await setOffline(mirror, true);
    expectOffline(await ask(mirror, `${APP}/manifests/v2`));
    const moved = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    const added = buildImage(origin, 'library/app', 'v2', { seed: 3 });
    expect(await setOffline(mirror, false)).toMatchObject({ isOffline: false });
    await pullImage(mirror, APP, 'v1', moved);
    await pullImage(mirror, APP, 'v2', added);
  });

  test('is so until the next start, which takes the word of the configuration', async () => {
    await using online = await setStage();
    await setOffline(online.mirror, true);
    await online.mirror.restart();
    expect((await upstreamOf(online.mirror)).isOffline).toBe(false);

    await using stage = await setStage({ upstream: { offline: true, staleIfError: '0s' } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectOffline(await ask(mirror, `${APP}/manifests/v1`));
    expect(origin.requests).toEqual([]);
    await setOffline(mirror, false);
    await pullImage(mirror, APP, 'v1', image);
    await mirror.restart();
    origin.resetCounts();
    expect((await upstreamOf(mirror)).isOffline).toBe(true);
    await pullImage(mirror, APP, 'v1', image);
    expectOffline(await ask(mirror, `${APP}/manifests/v2`));
    expect(origin.requests).toEqual([]);
  });

  test('is ready, and so are the others asked', async () => {
    await using other = await setStage();
    const image = buildImage(other.origin, 'team/app', 'v1');
    const upstreams = {
      'docker.io': { url: 'http://127.0.0.1:9', default: true, offline: true },
      'quay.io': { url: other.origin.url, freshFor: '0s' },
    };
    await using stage = await setStage({ config: { upstreams } });
    const { mirror } = stage;
    expect((await ask(mirror, '/readyz')).status).toBe(200);
    await pullImage(mirror, '/v2/quay.io/team/app', 'v1', image);
    expectOutcome(await ask(mirror, '/v2/quay.io/team/app/manifests/v1'), 'revalidated');
    expectOffline(await ask(mirror, '/v2/alpine/manifests/latest'));
    expect([(await upstreamOf(mirror)).isOffline, (await upstreamOf(mirror, 'quay.io')).isOffline]).toEqual([
      true,
      false,
    ]);
  });

  test('has to be one that is configured', async () => {
    await using stage = await setStage();
    const { mirror } = stage;
    const refusal = await setOffline(mirror, true, 'ghcr.io').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refused);
    expect(refusal).toMatchObject({ status: 404 });
    const vague = administer(mirror, 'PUT', '/upstreams/docker.io/offline', { offline: 'yes' });
    await expect(vague).rejects.toMatchObject({ status: 400, code: 'INVALID' });
    expect((await upstreamOf(mirror)).isOffline).toBe(false);
  });

  test('does not end a download that is under way', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [300_000] });
    const [layer = ''] = image.layers;
    await ask(mirror, `${APP}/manifests/v1`);
    origin.fault({ path: layer }, { kind: 'slow', bytesPerSecond: 1_000_000 }, { times: 1 });
    const pulled = ask(mirror, `${APP}/blobs/${layer}`);
    await origin.waitForRequests({ path: layer });
    await setOffline(mirror, true);
    expectContent(await pulled, layer);
    expectContent(await ask(mirror, `${APP}/blobs/${layer}`), layer);
  });
});
