import { open, truncate } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { Draft } from '../replication/support/draft.ts';
import { openSite, type TestSite } from '../replication/support/test-site.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { storedFile } from './pushing/support/stored-file.ts';

const APP = 'local/app';
const NGINX = 'docker.io/library/nginx';
const ABSENT = digestOf(Buffer.from('absent'));

async function pushImage(site: TestSite, layerBytes = 5000) {
  const draft = new Draft();
  const image = buildImage(draft, APP, 'v1', { layers: [layerBytes] });
  await site.push(APP, draft);
  const layer = image.layers[0] as Digest;
  return {
    digest: image.digest as Digest,
    bytes: image.bytes,
    layer,
    content: draft.blobs.get(layer) ?? Buffer.alloc(0),
  };
}

async function readAll(blob: { sizeBytes: number; read: (buffer: Uint8Array, at: number) => Promise<number> }) {
  const bytes = Buffer.alloc(blob.sizeBytes);
  for (let position = 0; position < bytes.length; ) position += await blob.read(bytes.subarray(position), position);
  return bytes;
}

describe('what is stored here', () => {
  test('is read by digest: manifests with what they say, blobs from any place', async () => {
    await using site = await openSite();
    const { local } = site.registry;
    const { digest, bytes, layer, content } = await pushImage(site);
    const manifest = await local.manifest(APP, digest);
    expect(manifest).toMatchObject({
      digest,
      mediaType: expect.stringContaining('manifest'),
      parsed: { isIndex: false },
    });
    expect(Buffer.from(manifest?.bytes ?? []).equals(bytes)).toBe(true);
    await using blob = await local.blob(APP, layer);
    expect(blob?.sizeBytes).toBe(5000);
    if (blob) expect((await readAll(blob)).equals(content)).toBe(true);
    const end = Buffer.alloc(100);
    expect(await blob?.read(end, 4990)).toBe(10);
    expect(await blob?.read(end, 5000)).toBe(0);
    expect([await local.hasBlob(APP, layer), await local.isIntact(layer)]).toEqual([true, true]);
  });

  test('is nothing in repositories that do not have it', async () => {
    await using site = await openSite();
    const { local } = site.registry;
    const { digest, layer } = await pushImage(site);
    for (const [repository, manifest, blob] of [
      ['local/other', digest, layer],
      [APP, ABSENT, ABSENT],
      [NGINX, digest, layer],
    ] as const) {
      expect(await local.manifest(repository, manifest)).toBe(undefined);
      expect(await local.blob(repository, blob)).toBe(undefined);
      expect(await local.hasBlob(repository, blob)).toBe(false);
    }
    expect(await local.isIntact(ABSENT)).toBe(false);
  });

  test('is none when its file is not what it should be, and the index knows that afterwards', async () => {
    await using site = await openSite();
    const { local } = site.registry;
    const { digest, layer } = await pushImage(site);
    await truncate(storedFile(site, layer), 10);
    expect(await local.hasBlob(APP, layer)).toBe(true);
    expect(await local.blob(APP, layer)).toBe(undefined);
    expect(await local.hasBlob(APP, layer)).toBe(false);
    await site.store.remove(digest);
    expect(await local.manifest(APP, digest)).toBe(undefined);
    expect(await site.index.findManifest(APP, digest)).toBe(undefined);
  });

  test('whose file becomes short while it is read fails, and is gone then', async () => {
    await using site = await openSite();
    const { local } = site.registry;
    const { layer } = await pushImage(site);
    await using blob = await local.blob(APP, layer);
    await using file = await open(storedFile(site, layer), 'r+');
    await file.truncate(1000);
    const buffer = Buffer.alloc(5000);
    expect(await blob?.read(buffer, 0)).toBe(1000);
    await expect(blob?.read(buffer, 1000)).rejects.toMatchObject({ name: 'RegistryError', code: 'STORE_FAILED' });
    expect(await local.hasBlob(APP, layer)).toBe(false);
  });

  test('with the wrong bytes is found out by hashing it', async () => {
    await using site = await openSite();
    const { layer } = await pushImage(site);
    await site.damage(layer);
    expect(await site.registry.local.isIntact(layer)).toBe(false);
    expect(await site.registry.local.hasBlob(APP, layer)).toBe(false);
  });

  test('has all its referrers, however many', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const subject = buildImage(draft, APP, 'v1');
    const made = Array.from({ length: 205 }, (_, number) => draft.addArtifact({ name: `${number}`, subject }));
    await site.push(APP, draft);
    const found = await Array.fromAsync(site.registry.local.referrers(APP, subject.digest as Digest));
    expect(found.map(({ digest }) => digest)).toEqual(made.map(({ digest }) => digest).toSorted());
    expect(await Array.fromAsync(site.registry.local.referrers(APP, ABSENT))).toEqual([]);
  });

  test('may lack what it names, where an upstream has it or a rule says so', async () => {
    await using origin = await startOrigin();
    await using site = await openSite({ origin, hostedRules: [{ repositories: ['sparse/**'], sparse: true }] });
    const { local } = site.registry;
    const names = [APP, 'sparse/app', NGINX, 'unknown.example/app'];
    expect(names.map((name) => local.isSparse(name))).toEqual([false, true, true, false]);
    expect(names.map((name) => local.isProxied(name))).toEqual([false, false, true, false]);
  });
});

describe('what is not here', () => {
  test('is fetched from its upstream and stored', async () => {
    await using origin = await startOrigin();
    await using site = await openSite({ origin });
    const image = buildImage(origin, 'library/nginx', 'v1', { layers: [5000] });
    const { local } = site.registry;
    const [digest, layer] = [image.digest, image.layers[0]] as [Digest, Digest];
    expect(await local.manifest(NGINX, digest)).toBe(undefined);
    expect(await local.fetchManifest(NGINX, digest)).toMatchObject({ digest });
    expect(await local.fetchBlob(NGINX, layer)).toBe(true);
    expect(await local.manifest(NGINX, digest)).toMatchObject({ digest });
    await using blob = await local.blob(NGINX, layer);
    expect(blob?.sizeBytes).toBe(5000);
    await local.fetchBlob(NGINX, layer);
    expect(origin.requestCount({ method: 'GET', path: /\/blobs\// })).toBe(1);
  });

  test('and has no upstream, or is unknown to it, is none', async () => {
    await using origin = await startOrigin();
    await using site = await openSite({ origin });
    buildImage(origin, 'library/nginx', 'v1');
    const { local } = site.registry;
    for (const repository of [APP, NGINX]) {
      expect(await local.fetchManifest(repository, ABSENT)).toBe(undefined);
      expect(await local.fetchBlob(repository, ABSENT)).toBe(false);
    }
  });

  test('and whose upstream is away is an error', async () => {
    await using origin = await startOrigin();
    await using site = await openSite({ origin });
    await origin.stop();
    const { local } = site.registry;
    const failure = { name: 'RegistryError', code: 'UPSTREAM_FAILED' };
    await expect(local.fetchManifest(NGINX, ABSENT)).rejects.toMatchObject(failure);
    await expect(local.fetchBlob(NGINX, ABSENT)).rejects.toMatchObject(failure);
  });
});
