import { describe, expect, test } from 'vitest';
import { digestOf, sha256 } from '../support/bytes.ts';
import { buildIndex, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { expectCreated, expectError, expectGone, expectManifest } from './support/expect.ts';
import { artifactManifest, imageManifest, INDEX, indexOf, MANIFEST, SIGNATURE } from './support/manifests.ts';
import { bytesOf, pushDescribed, pushManifest, putManifest, ship } from './support/push.ts';
import { send } from './support/send.ts';
import { setStage } from './support/stage.ts';

const stage = setStage();
const MIB = 1024 * 1024;

describe('end-7a, PUT of a manifest', () => {
  test('by tag, by sha256 and by sha512 is kept to the byte, with its type', async () => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    // No serializer writes it like that.
    const bytes = Buffer.from(`\n${JSON.stringify(manifest, undefined, 3)} \t\n`);
    for (const reference of ['v1', sha256(bytes), digestOf(bytes, 'sha512')]) {
      const answer = await putManifest(client, reference, bytes, MANIFEST);
      const digest = reference.startsWith('sha512') ? reference : sha256(bytes);
      await expectCreated(client, answer, bytes, { digest, mediaType: MANIFEST });
      await expectManifest(client, bytes, MANIFEST, reference.startsWith('sha512') ? sha256(bytes) : reference);
    }
  });

  test('moves a tag to what was pushed last, and what it left is still there by digest', async () => {
    const client = stage.client();
    const [first, second] = [await imageManifest(client, 1), await imageManifest(client, 2)];
    for (const manifest of [first, second, first]) {
      await pushManifest(client, 'latest', manifest);
      await expectManifest(client, manifest, MANIFEST, 'latest');
    }
    for (const manifest of [first, second]) await expectManifest(client, manifest, MANIFEST);
  });

  test('by a digest that it has not, or that is none, is 400 and nothing is there', async () => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    const longer = Buffer.concat([bytesOf(manifest), Buffer.from('  ')]);
    for (const reference of [sha256(bytesOf(manifest)), digestOf(bytesOf(manifest), 'sha512')]) {
      expectError(await putManifest(client, reference, longer, MANIFEST), 400, ['DIGEST_INVALID', 'MANIFEST_INVALID']);
      await expectGone(client, `manifests/${reference}`);
    }
    for (const reference of ['sha256:baddigeststring', `md5:${'a'.repeat(32)}`, '.tag', 'v'.repeat(129)]) {
      const answer = await putManifest(client, reference, manifest);
      expectError(answer, [400, 404], ['DIGEST_INVALID', 'MANIFEST_INVALID', 'UNSUPPORTED']);
    }
    await expectGone(client, `manifests/${sha256(longer)}`);
  });

  test('of nearly 4 MiB is taken, and of more is 413', async () => {
    const client = stage.client();
    const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, n) => [`large-${n}`, 'A'.repeat(10_000)]));
    const large = { ...(await imageManifest(client)), annotations };
    expect(bytesOf(large).length).toBeGreaterThan(3.9e6);
    const answer = await putManifest(client, 'large', large);
    await expectCreated(client, answer, bytesOf(large), { mediaType: MANIFEST });
    const tooLarge = Buffer.concat([bytesOf(large), Buffer.alloc(4 * MIB, ' ')]);
    expectError(await putManifest(client, 'too-large', tooLarge), 413);
    async function* chunked() {
      for (let offset = 0; offset < tooLarge.length; offset += 65_536) {
        yield tooLarge.subarray(offset, offset + 65_536);
      }
    }
    const headers = { 'Content-Type': MANIFEST };
    expectError(await send(client, 'PUT', 'manifests/too-large', { headers, body: chunked() }), 413);
    await expectGone(client, 'manifests/too-large');
  });

  test('with a type that has parameters is taken as that type', async () => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    expect((await putManifest(client, 'v1', manifest, `${MANIFEST}; charset=utf-8`)).status).toBe(201);
    await expectManifest(client, manifest, MANIFEST, 'v1');
  });
});

describe('end-7a, what can be pushed', () => {
  test.each(['oci', 'docker'] as const)('is an image and an index of %s', async (format) => {
    const client = stage.client();
    const index = await ship(client, (target) => buildIndex(target, '', 'v1', { format }));
    const types = IMAGE_MEDIA_TYPES[format];
    await expectManifest(client, index.bytes, types.index, 'v1');
    for (const image of index.images) await expectManifest(client, image.bytes, types.manifest);
  });

  test('is an index of indexes, an index of nothing and an image without layers', async () => {
    const client = stage.client();
    const image = await pushManifest(client, undefined, await imageManifest(client));
    const inner = await pushManifest(client, undefined, indexOf([image]));
    const empty = await pushManifest(client, 'empty', indexOf([]));
    await pushManifest(client, 'nested', indexOf([inner, empty]));
    await expectManifest(client, indexOf([inner, empty]), INDEX, 'nested');
    const bare = { ...(await imageManifest(client)), layers: [] };
    await pushManifest(client, 'bare', bare);
    await expectManifest(client, bare, MANIFEST, 'bare');
  });

  test('is an index of blobs, as BuildKit keeps its cache', async () => {
    const client = stage.client();
    const { config, layers } = await imageManifest(client);
    const cache = indexOf([...layers, { ...config, mediaType: 'application/vnd.buildkit.cacheconfig.v0' }]);
    await pushManifest(client, 'cache', cache);
    await expectManifest(client, cache, INDEX, 'cache');
    const missing = {
      ...config,
      mediaType: 'application/vnd.buildkit.cacheconfig.v0',
      digest: sha256(Buffer.from('?')),
    };
    const answer = await putManifest(client, 'cache', Buffer.from(JSON.stringify(indexOf([missing]))), INDEX);
    expectError(answer, 404, 'MANIFEST_BLOB_UNKNOWN');
  });

  test('is an artifact, and a manifest with fields that nobody knows and with data in its descriptors', async () => {
    const client = stage.client();
    const artifact = await artifactManifest(client, { artifactType: SIGNATURE });
    await pushManifest(client, 'artifact', artifact);
    await expectManifest(client, artifact, MANIFEST, 'artifact');
    const { config, ...image } = await imageManifest(client);
    const data = Buffer.from('{}').toString('base64');
    const odd = { ...image, config: { ...config, data }, 'org.example.field': { deep: [1, null] } };
    await pushManifest(client, 'odd', odd);
    await expectManifest(client, odd, MANIFEST, 'odd');
  });

  test('is an image whose layers are kept elsewhere by design', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const foreign = [
      'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      'application/vnd.oci.image.layer.nondistributable.v1.tar',
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    ].map((mediaType) => {
      const digest = sha256(Buffer.from(mediaType));
      return { mediaType, digest, size: 123_456, urls: [`https://store.example.com/${digest}`] };
    });
    const windows = { ...image, layers: [...foreign, ...image.layers] };
    await pushManifest(client, 'windows', windows);
    await expectManifest(client, windows, MANIFEST, 'windows');
    for (const { digest } of foreign) {
      await expectGone(client, `blobs/${digest}`);
      await expectGone(client, `manifests/${digest}`);
    }
  });

  test('is content by sha512 throughout', async () => {
    const client = stage.client();
    const described = await pushDescribed(client, Buffer.from('{}'), 'application/vnd.oci.empty.v1+json', 'sha512');
    const image = { ...(await imageManifest(client)), config: described, layers: [described] };
    const child = { mediaType: MANIFEST, digest: digestOf(bytesOf(image), 'sha512'), size: bytesOf(image).length };
    await expectCreated(client, await putManifest(client, child.digest, image), bytesOf(image), {
      digest: child.digest,
      mediaType: MANIFEST,
    });
    const index = indexOf([child]);
    const digest = digestOf(bytesOf(index), 'sha512');
    await expectCreated(client, await putManifest(client, digest, index), bytesOf(index), { digest, mediaType: INDEX });
  });
});
