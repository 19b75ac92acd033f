import { describe, expect, test, vi } from 'vitest';
import { buildImage } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectCached, expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { ANSWER_FAULTS, BROKEN_BODIES, WRONG_BODIES } from './support/named-faults.ts';
import { setStage } from './support/stage.ts';
import { stagePool } from './support/stage-pool.ts';

const stages = stagePool();

describe.concurrent('a manifest that is not cached', () => {
  test.each([...ANSWER_FAULTS, ...BROKEN_BODIES, ...WRONG_BODIES])(
    'is a gateway error on $name, by tag and by digest, and comes when upstream is well again',
    async ({ fault }) => {
      await using stage = await stages.take();
      const { origin, mirror } = stage;
      const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
      const other = buildImage(origin, stage.name, undefined, { seed: stage.seed + 2 });
      origin.fault({ path: '/manifests/' }, fault);

      expectError(await ask(mirror, `${stage.path}/manifests/v1`), GATEWAY_ERRORS);
      origin.clearFaults();
      expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);

      origin.fault({ path: '/manifests/' }, fault);
      expectError(await ask(mirror, `${stage.path}/manifests/${other.digest}`), GATEWAY_ERRORS);
      origin.clearFaults();
      expectContent(await ask(mirror, `${stage.path}/manifests/${other.digest}`), other.digest);
    },
  );

  // Silence isn't tried again: after one of 30 s the client is gone (containerd's own limit is 30 s).
  const tried = [...ANSWER_FAULTS, ...BROKEN_BODIES].filter(({ fault }) => fault.kind !== 'stall');
  test.each(tried)('comes at once if $name happens only once', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    origin.fault({ path: '/manifests/' }, fault, { times: 1 });

    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
  });

  test.each(ANSWER_FAULTS)('is a gateway error to HEAD on $name', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    origin.fault({}, fault);
    const refused = await ask(mirror, `${stage.path}/manifests/v1`, { method: 'HEAD' });
    expect(GATEWAY_ERRORS).toContain(refused.status);
    expect(refused.headers['content-type']).toMatch(/^application\/json/);
    expect(refused.body.length).toBe(0);

    origin.clearFaults();
    const found = await ask(mirror, `${stage.path}/manifests/v1`, { method: 'HEAD' });
    expect(found.status).toBe(200);
    expect(found.headers['docker-content-digest']).toBe(image.digest);
    expect(found.headers['content-length']).toBe(String(image.bytes.length));
  });
});

describe.concurrent('a manifest that is cached', () => {
  test.each([...ANSWER_FAULTS, ...BROKEN_BODIES, ...WRONG_BODIES])(
    'is served by tag and by digest on $name',
    async ({ fault }) => {
      await using stage = await stages.take();
      const { origin, mirror } = stage;
      const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
      expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
      origin.fault({}, fault, { beforeAuth: true });

      expectCached(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
      expectCached(await ask(mirror, `${stage.path}/manifests/${image.digest}`), image.digest);
      const head = await ask(mirror, `${stage.path}/manifests/v1`, { method: 'HEAD' });
      expect(head.status).toBe(200);
      expect(head.headers['docker-content-digest']).toBe(image.digest);
    },
  );

  test.each([...ANSWER_FAULTS, ...BROKEN_BODIES, ...WRONG_BODIES])(
    'is served while the new one behind its tag fails with $name, and then the new one',
    async ({ fault }) => {
      await using stage = await stages.take();
      const { origin, mirror } = stage;
      const old = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
      expectContent(await ask(mirror, `${stage.path}/manifests/v1`), old.digest);
      const young = buildImage(origin, stage.name, 'v1', { seed: stage.seed + 2 });
      origin.fault({ method: 'GET' }, fault);

      expectCached(await ask(mirror, `${stage.path}/manifests/v1`), old.digest);
      origin.clearFaults();
      expectContent(await ask(mirror, `${stage.path}/manifests/v1`), young.digest);
      expectCached(await ask(mirror, `${stage.path}/manifests/${old.digest}`), old.digest);
    },
  );

  test.each([429, 500])(
    'is what HEAD tells while GET of the new one behind its tag is %d, and then the new one',
    async (status) => {
      await using stage = await setStage();
      const { origin, mirror, path } = stage;
      const old = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
      expectContent(await ask(mirror, `${path}/manifests/v1`), old.digest);
      const young = buildImage(origin, stage.name, 'v1', { seed: stage.seed + 2 });
      // Docker Hub's limit counts GET only.
      origin.fault({ method: 'GET' }, { kind: 'status', status, headers: { 'Retry-After': '1' } });
      const pulled = async () => {
        const { headers } = await ask(mirror, `${path}/manifests/v1`, { method: 'HEAD' });
        const digest = String(headers['docker-content-digest']);
        expectContent(await ask(mirror, `${path}/manifests/${digest}`), digest);
        return digest;
      };

      expect(await pulled()).toBe(old.digest);
      origin.clearFaults();
      await vi.waitFor(async () => expect(await pulled()).toBe(young.digest), { timeout: 5000, interval: 100 });
      expectCached(await ask(mirror, `${path}/manifests/v1`), young.digest);
    },
  );
});

describe.concurrent('an upstream that is not quite up to the spec', () => {
  test.each([
    { name: 'sends no Docker-Content-Digest', from: { digestHeader: false } },
    { name: 'sends neither Docker-Content-Digest nor ETag', from: { digestHeader: false, etag: false } },
    { name: 'refuses HEAD', from: { headManifests: false, headBlobs: false } },
    { name: 'refuses HEAD and tells no digest', from: { headManifests: false, headBlobs: false, digestHeader: false } },
  ])('is pulled from though it $name', async ({ from }) => {
    await using stage = await setStage({ from });
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    const head = await ask(mirror, `${stage.path}/manifests/v1`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers['docker-content-digest']).toBe(image.digest);
    expect(head.headers['content-length']).toBe(String(image.bytes.length));
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
    for (const blob of [...image.layers, image.config]) {
      const size = await ask(mirror, `${stage.path}/blobs/${blob}`, { method: 'HEAD' });
      expect(size.status).toBe(200);
      const got = await ask(mirror, `${stage.path}/blobs/${blob}`);
      expectContent(got, blob);
      expect(size.headers['content-length']).toBe(String(got.body.length));
    }
    const young = buildImage(origin, stage.name, 'v1', { seed: stage.seed + 2 });
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), young.digest);
  });

  test('which calls a manifest larger than the limit is refused, and the mirror lives on', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const huge = Buffer.from(JSON.stringify({ schemaVersion: 2, config: {}, layers: [], pad: 'x'.repeat(5 << 20) }));
    origin.addManifest(stage.name, 'huge', huge, 'application/vnd.oci.image.manifest.v1+json');
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });

    expectError(await ask(mirror, `${stage.path}/manifests/huge`), GATEWAY_ERRORS);
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
  });
});
