import { describe, expect, test } from 'vitest';
import { buildImage, buildIndex } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectCached, expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const REPOSITORY = '/v2/library/app';
const DIGEST = `sha256:${'a'.repeat(64)}`;
const READS = ['manifests/v1', `manifests/${DIGEST}`, `blobs/${DIGEST}`, 'tags/list', `referrers/${DIGEST}`];

describe.concurrent('an upstream that cannot be reached', () => {
  test.each([
    { name: 'has no address', url: 'http://does-not-exist.invalid' },
    { name: 'refuses the connection', url: 'http://127.0.0.1:1' },
  ])('because it $name is a gateway error for everything, and never 404', async ({ url }) => {
    await using stage = await setStage({ upstream: { url } });
    const { mirror } = stage;
    for (const path of READS) {
      const answer = await ask(mirror, `${REPOSITORY}/${path}`);
      expectError(answer, GATEWAY_ERRORS);
      expect(answer.ms).toBeLessThan(5000);
      expect(GATEWAY_ERRORS).toContain((await ask(mirror, `${REPOSITORY}/${path}`, { method: 'HEAD' })).status);
    }
    expect((await ask(mirror, '/v2/')).status).toBe(200);
  });

  test('is pulled from as soon as it is there again', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await origin.stop();
    expectError(await ask(mirror, `${REPOSITORY}/manifests/v1`), GATEWAY_ERRORS);
    await origin.restart();
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    await origin.stop();
    expectError(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), GATEWAY_ERRORS);
    await origin.restart();
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
  });

  test('is tried again at most five seconds after however many failures', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    await origin.stop();
    for (let request = 0; request < 12; request++) {
      expectError(await ask(mirror, `${REPOSITORY}/manifests/v1`), GATEWAY_ERRORS);
    }
    await origin.restart();
    const deadline = performance.now() + 5200;
    let answer = await ask(mirror, `${REPOSITORY}/manifests/v1`);
    while (answer.status !== 200 && performance.now() < deadline) {
      expectError(answer, GATEWAY_ERRORS);
      answer = await ask(mirror, `${REPOSITORY}/manifests/v1`);
    }
    expectContent(answer, image.digest);
  });
});

describe('without its upstream, after a restart', () => {
  test('the mirror serves tags, digests, blobs, lists and referrers that it has', async () => {
    await using stage = await setStage({ from: { referrers: true, auth: { type: 'bearer', anonymous: true } } });
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/app', 'v1');
    const [image] = index.images;
    if (image === undefined) throw new Error('the index has no image');
    const signature = { schemaVersion: 2, artifactType: 'application/x.sig', subject: { digest: image.digest } };
    origin.addManifest('library/app', undefined, signature, 'application/vnd.oci.image.manifest.v1+json');
    const blobs = [image.config, ...image.layers];
    const lists = [
      'tags/list',
      `referrers/${image.digest}`,
      `referrers/${image.digest}?artifactType=application/x.sig`,
    ];
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), index.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/${image.digest}`), image.digest);
    for (const blob of blobs) expectContent(await ask(mirror, `${REPOSITORY}/blobs/${blob}`), blob);
    const before = await Promise.all(lists.map(async (path) => ask(mirror, `${REPOSITORY}/${path}`)));
    const catalog = await ask(mirror, '/v2/_catalog');
    await origin.stop();
    await mirror.restart();

    expect((await ask(mirror, '/v2/')).status).toBe(200);
    for (const reference of ['v1', index.digest]) {
      const answer = await ask(mirror, `${REPOSITORY}/manifests/${reference}`);
      expectCached(answer, index.digest);
      expect(answer.headers['content-type']).toBe(index.mediaType);
      expect((await ask(mirror, `${REPOSITORY}/manifests/${reference}`, { method: 'HEAD' })).status).toBe(200);
    }
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/${image.digest}`), image.digest);
    for (const blob of blobs) expectCached(await ask(mirror, `${REPOSITORY}/blobs/${blob}`), blob);
    for (const [position, path] of lists.entries()) {
      const answer = await ask(mirror, `${REPOSITORY}/${path}`);
      expect(answer.status, path).toBe(200);
      expect(answer.headers['content-type']).toBe(before[position]?.headers['content-type']);
      expect(JSON.parse(answer.body.toString())).toEqual(JSON.parse(before[position]?.body.toString() ?? ''));
    }
    expect((await ask(mirror, '/v2/_catalog')).body).toEqual(catalog.body);

    const [, absent] = index.images;
    expectError(await ask(mirror, `${REPOSITORY}/manifests/${absent?.digest ?? ''}`), GATEWAY_ERRORS);
    expectError(await ask(mirror, `${REPOSITORY}/blobs/${absent?.config ?? ''}`), GATEWAY_ERRORS);
    expectError(await ask(mirror, `${REPOSITORY}/manifests/v2`), GATEWAY_ERRORS);
    expectError(await ask(mirror, '/v2/library/other/tags/list'), GATEWAY_ERRORS);
    await origin.restart();
  });
});

describe.concurrent('what upstream deleted', () => {
  test.each(['the tag', 'everything'])('%s: what is cached is served, after a restart too', async (deleted) => {
    await using stage = await setStage({ config: { pull: { readAhead: false, notFoundFor: '30s' } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    if (deleted === 'the tag') origin.deleteTag('library/app', 'v1');
    else {
      origin.deleteManifest('library/app', image.digest);
      for (const blob of [image.config, ...image.layers]) origin.deleteBlob(blob);
    }

    for (const round of ['running', 'restarted']) {
      if (round === 'restarted') await mirror.restart();
      for (const reference of ['v1', 'v1', image.digest]) {
        expectCached(await ask(mirror, `${REPOSITORY}/manifests/${reference}`), image.digest);
      }
      expectCached(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    }
  });

  test('a tag that was moved: the old image stays pullable by digest, blobs too', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const old = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), old.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${old.config}`), old.config);
    const young = buildImage(origin, 'library/app', 'v1', { seed: 2 });
    origin.deleteManifest('library/app', old.digest);

    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), young.digest);
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/${old.digest}`), old.digest);
    expectCached(await ask(mirror, `${REPOSITORY}/blobs/${old.config}`), old.config);
  });
});
