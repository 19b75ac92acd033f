import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes, sha256 } from '../support/bytes.ts';
import { IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { expectError, expectGone, expectManifest } from './support/expect.ts';
import { CONFIG, type ImageManifest, imageManifest, INDEX, indexOf, LAYER, MANIFEST } from './support/manifests.ts';
import { bytesOf, pushBlob, pushManifest, putManifest } from './support/push.ts';
import { type Client, send } from './support/send.ts';
import { at, setStage } from './support/stage.ts';

const stage = setStage();
const GONE = { mediaType: LAYER, digest: sha256(Buffer.from('never pushed')), size: 12 };

interface WrongManifest {
  readonly name: string;
  readonly make: (image: ImageManifest) => object | Uint8Array;
  readonly type?: string;
}

const WRONG: readonly WrongManifest[] = [
  { name: 'nothing', make: () => Buffer.alloc(0) },
  { name: 'no JSON', make: () => Buffer.from('{"schemaVersion": 2,') },
  { name: 'JSON that is no object', make: () => Buffer.from('[1, 2]') },
  { name: 'null', make: () => Buffer.from('null') },
  { name: 'JSON in another encoding', make: (image) => Buffer.from(JSON.stringify(image), 'utf16le') },
  { name: 'the empty object', make: () => ({}) },
  { name: 'an error document', make: () => ({ errors: [{ code: 'DENIED' }] }) },
  { name: 'an image without config', make: (image) => ({ ...image, config: undefined }) },
  { name: 'a config that is no descriptor', make: (image) => ({ ...image, config: 'sha256:00' }) },
  { name: 'layers that are no list', make: (image) => ({ ...image, layers: { 0: image.layers[0] } }) },
  { name: 'a layer that is no descriptor', make: (image) => ({ ...image, layers: [7] }) },
  { name: 'a digest that is none', make: (image) => ({ ...image, layers: [{ ...GONE, digest: 'sha256:beef' }] }) },
  { name: 'a digest of no known kind', make: (image) => ({ ...image, layers: [{ ...GONE, digest: 'md5:00' }] }) },
  { name: 'no digest', make: (image) => ({ ...image, layers: [{ mediaType: LAYER, size: 1 }] }) },
  { name: 'a negative size', make: (image) => ({ ...image, config: { ...image.config, size: -1 } }) },
  { name: 'a broken size', make: (image) => ({ ...image, config: { ...image.config, size: 0.5 } }) },
  { name: 'a size in letters', make: (image) => ({ ...image, config: { ...image.config, size: '2' } }) },
  { name: 'no size', make: (image) => ({ ...image, config: { ...image.config, size: undefined } }) },
  { name: 'an index without a list', make: () => ({ schemaVersion: 2, mediaType: INDEX }), type: INDEX },
  { name: 'an index of no descriptors', make: () => indexOf(['x'] as never), type: INDEX },
  { name: 'a subject that is no descriptor', make: (image) => ({ ...image, subject: { digest: 'x' } }) },
  { name: 'an image that is sent as an index', make: (image) => image, type: INDEX },
  { name: 'an index that is sent as an image', make: () => indexOf([]), type: MANIFEST },
  { name: 'an OCI image sent as Docker’s', make: (image) => image, type: IMAGE_MEDIA_TYPES.docker.manifest },
  { name: 'a document of no manifest type', make: () => ({ mediaType: 'text/x' }), type: 'text/x' },
];

describe('end-7a, a manifest that is wrong', () => {
  test.each(WRONG)('is MANIFEST_INVALID and is not kept: $name', async ({ make, type = MANIFEST }) => {
    const client = stage.client();
    const bytes = bytesOf(make(await imageManifest(client)));
    for (const reference of ['v1', sha256(bytes)]) {
      const answer = await putManifest(client, reference, bytes, type);
      expectError(answer, 400, ['MANIFEST_INVALID', 'SIZE_INVALID', 'DIGEST_INVALID']);
      await expectGone(client, `manifests/${reference}`);
    }
  });

  test('leaves a tag where it was', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    await pushManifest(client, 'v1', image);
    expectError(await putManifest(client, 'v1', { ...image, layers: 'none' }), 400, 'MANIFEST_INVALID');
    expectError(await putManifest(client, 'v1', { ...image, layers: [GONE] }), [400, 404], 'MANIFEST_BLOB_UNKNOWN');
    await expectManifest(client, image, MANIFEST, 'v1');
  });

  test('has a descriptor of another size than the content has', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const wrong = { ...image, layers: image.layers.map((layer) => ({ ...layer, size: layer.size + 1 })) };
    expectError(await putManifest(client, 'v1', wrong), 400, ['MANIFEST_INVALID', 'SIZE_INVALID']);
    const child = await pushManifest(client, undefined, image);
    const index = indexOf([{ ...child, size: child.size - 1 }]);
    expectError(await putManifest(client, 'v1', index), 400, ['MANIFEST_INVALID', 'SIZE_INVALID']);
    await expectGone(client, 'manifests/v1');
  });
});

/** What the detail of each entry names. */
async function missingOf(client: Client, content: object): Promise<string[]> {
  const errors = expectError(await putManifest(client, 'v1', content), [400, 404], 'MANIFEST_BLOB_UNKNOWN');
  await expectGone(client, 'manifests/v1');
  return errors.flatMap(({ detail }) => JSON.stringify(detail ?? '').match(/sha(?:256|512):[0-9a-f]+/g) ?? []);
}

describe('end-7a, a manifest of what is not there', () => {
  test('is MANIFEST_BLOB_UNKNOWN, which names each of config and layers', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const others = [1, 2].map((seed) => ({ mediaType: LAYER, digest: sha256(seededBytes(9, seed)), size: 9 }));
    const missing = await missingOf(client, { ...image, layers: [...others, ...image.layers] });
    expect(missing.toSorted()).toEqual(others.map(({ digest }) => digest).toSorted());
    const config = { ...GONE, mediaType: CONFIG };
    expect(await missingOf(client, { ...image, config })).toEqual([config.digest]);
  });

  test('is MANIFEST_BLOB_UNKNOWN for an index whose manifests, or a sha512, are not there', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const unknown = { mediaType: MANIFEST, digest: sha256(bytesOf(image)), size: bytesOf(image).length };
    expect(await missingOf(client, indexOf([unknown]))).toEqual([unknown.digest]);
    const layer = Buffer.from('by another name');
    await pushBlob(client, layer);
    const other = { mediaType: LAYER, digest: digestOf(layer, 'sha512'), size: layer.length };
    expect(await missingOf(client, { ...image, layers: [other] })).toEqual([other.digest]);
  });

  test('is MANIFEST_BLOB_UNKNOWN though another repository has it all', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const elsewhere = at(client, `${client.repository}/below`);
    const missing = await missingOf(elsewhere, image);
    expect(missing.toSorted()).toEqual([image.config, ...image.layers].map(({ digest }) => digest).toSorted());
    const child = await pushManifest(client, undefined, image);
    expect(await missingOf(elsewhere, indexOf([child]))).toEqual([child.digest]);
  });

  test('is taken where a rule says so, and taken whole once the rest has come', async () => {
    const client = stage.client('sparse');
    const whole = await imageManifest(client);
    const sparse = { ...whole, layers: [...whole.layers, GONE] };
    const image = await pushManifest(client, 'sparse', sparse);
    const unknown = { mediaType: MANIFEST, digest: GONE.digest, size: 12 };
    await pushManifest(client, 'index', indexOf([image, unknown]));
    await expectManifest(client, sparse, MANIFEST, 'sparse');
    await expectManifest(client, indexOf([image, unknown]), INDEX, 'index');
    for (const path of [`blobs/${GONE.digest}`, `manifests/${GONE.digest}`]) await expectGone(client, path);
    await pushBlob(client, Buffer.from('never pushed'));
    expect((await send(client, 'GET', `blobs/${GONE.digest}`)).status).toBe(200);
  });
});
