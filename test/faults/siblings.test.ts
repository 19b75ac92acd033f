import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import type { Fault } from '../support/origin-faults.ts';
import { startOrigin } from '../support/origin.ts';
import { ask } from './support/ask.ts';
import { eventually } from './support/eventually.ts';
import { expectOutcome, pullImage, pullIndex, storeImage } from './support/built-images.ts';
import { expectCleanFailure, expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { ANSWER_FAULTS, BROKEN_BODIES, WRONG_BODIES } from './support/named-faults.ts';
import { administer, metric, settle, statusOf, upstreamOf } from './support/operator.ts';
import { fileOf, rot } from './support/stored-files.ts';
import { startFar, startTwoSites } from './support/two-sites.ts';

const APP = '/v2/library/app';
const NAME = 'docker.io/library/app';
const SIZE = 300_000;

describe.concurrent('content that a sibling has', () => {
  test('crosses the distance to the upstream once: the second site gets it from the first', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    const index = buildIndex(origin, 'library/app', 'v1', { layers: [SIZE, 2000] });
    await storeImage(near, APP, 'v1', index);
    origin.resetCounts();
    await pullIndex(far, APP, index.digest, index);
    expect(origin.requests).toEqual([]);
    const sizes = origin.blobBytesSent();
    expect(sizes).toBe(0);
    await settle(far);
    expect(await metric(far, 'entrepot_upstream_bytes_total', { upstream: 'docker.io' })).toBe(0);
    expect(await metric(far, 'entrepot_upstream_bytes_total', { upstream: 'near' })).toBeGreaterThan(2 * SIZE);
  });

  test('is kept, and so is where the upstream says that the tag points', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [SIZE] });
    await storeImage(near, APP, 'v1', image);
    origin.resetCounts();
    await storeImage(far, APP, 'v1', image);
    expect(origin.blobBytesSent()).toBe(0);
    expect(origin.requestCount({ path: 'manifests/v1' })).toBeGreaterThan(0);
    await near[Symbol.asyncDispose]();
    await origin.stop();
    await pullImage(far, APP, 'v1', image);
  });

  test('comes in ranges where only a part is asked for', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    const bytes = seededBytes(20_000_000, 'large');
    const blob = origin.addBlob(bytes);
    expectContent(await ask(near, `${APP}/blobs/${blob}`), blob);
    await settle(near);
    origin.resetCounts();
    const part = await ask(far, `${APP}/blobs/${blob}`, { headers: { Range: 'bytes=15000000-15000099' } });
    expect(part.status).toBe(206);
    expect(part.body.equals(bytes.subarray(15_000_000, 15_000_100))).toBe(true);
    expectContent(await ask(far, `${APP}/blobs/${blob}`), blob);
    expect(origin.requests).toEqual([]);
  });
});

describe.concurrent('a sibling that fails', () => {
  /** The sibling is a registry that only looks like a site. */
  async function setScene(): Promise<AsyncDisposable & Awaited<ReturnType<typeof openScene>>> {
    await using opened = new AsyncDisposableStack();
    const scene = await openScene(opened);
    const cleanup = opened.move();
    return { ...scene, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
  }
  async function openScene(opened: AsyncDisposableStack) {
    const [origin, near] = [opened.use(await startOrigin()), opened.use(await startOrigin())];
    const far = opened.use(await startFar(origin, near));
    const image = buildImage(origin, 'library/app', 'v1', { layers: [SIZE] });
    buildImage(near, NAME, 'v1', { layers: [SIZE] });
    return { origin, near, far, image, layer: image.layers[0] ?? '' };
  }

  test.each([...ANSWER_FAULTS, ...BROKEN_BODIES])('by $name is not noticed by clients', async ({ fault }) => {
    await using scene = await setScene();
    const { near, far, image } = scene;
    near.fault({}, fault);
    await pullImage(far, APP, image.digest, image);
    expect(near.requestCount()).toBeGreaterThan(0);
  });

  test('by being gone is not noticed by clients', async () => {
    await using scene = await setScene();
    await scene.near.stop();
    await pullImage(scene.far, APP, scene.image.digest, scene.image);
    expect(scene.origin.blobBytesSent(scene.layer)).toBe(SIZE);
  });

  test.each(WRONG_BODIES)('by $name harms nobody who knows what he pulls', async ({ fault }) => {
    await using scene = await setScene();
    const { near, far, image, layer } = scene;
    near.fault({ method: 'GET' }, fault);
    expectContent(await ask(far, `${APP}/manifests/${image.digest}`), image.digest);
    // What is wrong with a blob may show at its end only: then whoever asks again gets it from the upstream.
    const first = await ask(far, `${APP}/blobs/${layer}`);
    if (first.whole && first.status === 200) expectContent(first, layer);
    else expectCleanFailure(first, SIZE);
    expectContent(await ask(far, `${APP}/blobs/${layer}`), layer);
  });

  test('in the middle of a large blob costs no more than the rest of it', async () => {
    await using scene = await setScene();
    const { origin, near, far } = scene;
    const bytes = seededBytes(40_000_000, 'large');
    const blob = origin.addBlob(bytes);
    near.addBlob(bytes);
    near.fault({ path: blob, range: true }, { kind: 'reset', afterBytes: 3_000_000 });
    expectContent(await ask(far, `${APP}/blobs/${blob}`), blob);
    expect(near.requestCount({ path: blob })).toBeGreaterThan(0);
    expect(origin.blobBytesSent(blob)).toBeGreaterThan(0);
    expect(origin.blobBytesSent(blob)).toBeLessThan(bytes.length);
  });

  test('by silence is waited for a few times, not each time', async () => {
    await using scene = await setScene();
    const { origin, near, far } = scene;
    near.fault({}, { kind: 'stall', afterBytes: -1 });
    for (let seed = 0; seed < 6; seed++) {
      const blob = origin.addBlob(seededBytes(100, `silence ${seed}`));
      expectContent(await ask(far, `${APP}/blobs/${blob}`), blob);
    }
    expect(near.requestCount()).toBeLessThanOrEqual(4);
    const { siblings } = await upstreamOf(far);
    expect(siblings).toEqual([{ name: 'near', isBreakerOpen: true }]);
  });

  test('does not hide what the upstream says', async () => {
    await using scene = await setScene();
    const { origin, near, far } = scene;
    const none = `sha256:${'0'.repeat(64)}`;
    near.fault({}, { kind: 'status', status: 500 });
    expectError(await ask(far, `${APP}/manifests/${none}`), 404, 'MANIFEST_UNKNOWN');
    expectError(await ask(far, `${APP}/blobs/${none}`), 404, 'BLOB_UNKNOWN');
    await origin.stop();
    expectError(await ask(far, `${APP}/blobs/sha256:${'1'.repeat(64)}`), GATEWAY_ERRORS);
  });
});

describe.concurrent('while the upstream is gone', () => {
  test('a tag is where a sibling last saw it, and as old as there', async () => {
    await using sites = await startTwoSites({ upstream: { freshFor: '1h' } });
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(near, APP, 'v1', image);
    await origin.stop();
    await eventually(async () => {
      expect(Number((await ask(near, `${APP}/manifests/v1`)).headers['age'])).toBeGreaterThanOrEqual(2);
    });
    const head = await ask(far, `${APP}/manifests/v1`, { method: 'HEAD' });
    expect([head.status, head.headers['docker-content-digest']]).toEqual([200, image.digest]);
    await pullImage(far, APP, 'v1', image);
    const again = await ask(far, `${APP}/manifests/v1`);
    expectOutcome(again, 'hit');
    expect(Number(again.headers['age'])).toBeGreaterThanOrEqual(2);
    const tags = await ask(far, `${APP}/tags/list`);
    expect(JSON.parse(tags.body.toString())).toMatchObject({ tags: ['v1'] });
  });

  test('a tag that a sibling saw longer ago than one may be served here is not served here', async () => {
    await using sites = await startTwoSites({ upstream: { staleIfError: '1s' } });
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(near, APP, 'v1', image);
    await origin.stop();
    await eventually(async () => {
      expect(Number((await ask(near, `${APP}/manifests/v1`)).headers['age'])).toBeGreaterThanOrEqual(2);
    });
    for (const method of ['HEAD', 'GET', 'GET']) {
      expect(GATEWAY_ERRORS).toContain((await ask(far, `${APP}/manifests/v1`, { method })).status);
    }
    await pullImage(far, APP, image.digest, image);
  });

  test('and has no address any more, the far site serves what the near one has', async () => {
    await using sites = await startTwoSites({ upstream: { url: 'http://does-not-exist.invalid' } });
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1');
    await storeImage(near, APP, 'v1', image);
    await origin.stop();
    await pullImage(far, APP, 'v1', image);
    expectContent(await ask(far, `${APP}/manifests/v1`), image.digest);
  });

  test('a blob that a sibling stops sending comes from it nevertheless, to its last byte', async () => {
    await using opened = new AsyncDisposableStack();
    const [origin, near] = [opened.use(await startOrigin()), opened.use(await startOrigin())];
    const far = opened.use(await startFar(origin, near));
    const bytes = seededBytes(SIZE, 'stopped');
    const blob = near.addBlob(bytes);
    near.fault({ path: blob }, { kind: 'reset', afterBytes: 100_000 }, { times: 2 });
    await origin.stop();
    expectContent(await ask(far, `${APP}/blobs/${blob}`), blob);
    expect(near.requestCount({ path: blob })).toBe(3);
  });

  test('a tag does not go back to where a sibling saw it before', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    const old = buildImage(origin, 'library/app', 'v1');
    await storeImage(near, APP, 'v1', old);
    const recent = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    await storeImage(far, APP, 'v1', recent);
    await origin.stop();
    const answer = await ask(far, `${APP}/manifests/v1`);
    expectContent(answer, recent.digest);
    expectOutcome(answer, 'stale');
  });

  test('a tag goes on to where a sibling saw it later', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    const old = buildImage(origin, 'library/app', 'v1');
    await storeImage(far, APP, 'v1', old);
    const recent = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    // Sites tell each other whole seconds.
    await sleep(2_000);
    await storeImage(near, APP, 'v1', recent);
    await origin.stop();
    expectContent(await ask(far, `${APP}/manifests/v1`), recent.digest);
    await pullImage(far, APP, 'v1', recent);
  });

  test('what a sibling saw does not take the place of what the upstream has said meanwhile', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    await storeImage(far, APP, 'v1', buildImage(origin, 'library/app', 'v1'));
    const old = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    await sleep(2_000);
    await storeImage(near, APP, 'v1', old);
    await storeImage(far, APP, old.digest, old);
    const recent = buildImage(origin, 'library/app', 'v1', { seed: 3 });
    origin.resetCounts();
    const asked = { method: 'HEAD', path: 'manifests/v1' };
    const handle: Extract<Fault, { kind: 'handler' }>['handle'] = async (_request, response) => {
      await sleep(500);
      response.writeHead(200, { 'Content-Type': 'text/html' }).end();
    };
    origin.fault(asked, { kind: 'handler', handle }, { times: 1 });
    const asking = ask(far, `${APP}/manifests/v1`, { method: 'HEAD' });
    await origin.waitForRequests(asked);
    expectContent(await ask(far, `${APP}/manifests/v1`), recent.digest);
    await asking;
    await origin.stop();
    await near[Symbol.asyncDispose]();
    expectContent(await ask(far, `${APP}/manifests/v1`), recent.digest);
  });

  test('damage heals from a sibling', async () => {
    await using sites = await startTwoSites();
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [SIZE] });
    for (const site of [near, far]) await storeImage(site, APP, 'v1', image);
    await origin.stop();
    const lost = [image.digest, image.config, image.layers[0] ?? ''];
    for (const digest of lost) await rot(fileOf(far, digest));
    await administer(far, 'POST', '/scrub', {});
    await eventually(async () => {
      expect(await metric(far, 'entrepot_healed_content_total', { result: 'healed' })).toBe(lost.length);
    });
    await near[Symbol.asyncDispose]();
    await pullImage(far, APP, image.digest, image);
  });
});

describe.concurrent('an upstream that is switched to offline', () => {
  test('still has siblings', async () => {
    await using sites = await startTwoSites({ upstream: { offline: true } });
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1');
    const absent = buildImage(origin, 'library/app', 'v2', { seed: 2 });
    await storeImage(near, APP, 'v1', image);
    origin.resetCounts();
    await pullImage(far, APP, 'v1', image);
    expectError(await ask(far, `${APP}/manifests/v2`), 503);
    expectError(await ask(far, `${APP}/blobs/${absent.config}`), 503);
    expect(origin.requests).toEqual([]);
  });
});

describe.concurrent('two sites that are siblings of each other', () => {
  test('ask the upstream for what neither has, each once', async () => {
    await using sites = await startTwoSites({ isMutual: true });
    const { origin, near, far } = sites;
    const image = buildImage(origin, 'library/app', 'v1', { layers: [SIZE] });
    await Promise.all([near, far].map((site) => pullImage(site, APP, image.digest, image)));
    expect(origin.requestCount({ path: image.layers[0] ?? '' })).toBeLessThanOrEqual(2);
    await Promise.all([near, far].map(settle));
  });

  test('tell what neither has as unknown, or as not to be had', async () => {
    await using sites = await startTwoSites({ isMutual: true });
    const { origin, near, far } = sites;
    const none = `sha256:${'0'.repeat(64)}`;
    for (const site of [near, far]) expectError(await ask(site, `${APP}/blobs/${none}`), 404, 'BLOB_UNKNOWN');
    await origin.stop();
    for (const site of [near, far]) {
      const other = `sha256:${'1'.repeat(64)}`;
      for (const path of [`blobs/${other}`, `manifests/${other}`, 'manifests/v1', 'tags/list']) {
        expectError(await ask(site, `${APP}/${path}`), GATEWAY_ERRORS);
      }
    }
  });

  test('give each other what one of them has', async () => {
    await using sites = await startTwoSites({ isMutual: true });
    const { origin, near, far } = sites;
    const [first, second] = [
      buildImage(origin, 'library/app', 'v1'),
      buildImage(origin, 'library/app', 'v2', { seed: 2 }),
    ];
    await storeImage(near, APP, 'v1', first);
    await storeImage(far, APP, 'v2', second);
    await origin.stop();
    await pullImage(far, APP, 'v1', first);
    await pullImage(near, APP, 'v2', second);
    expect((await statusOf(near)).upstreams).toMatchObject([{ siblings: [{ name: 'far', isBreakerOpen: false }] }]);
  });
});
