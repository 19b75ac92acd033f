import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes } from '../support/bytes.ts';
import { expectBlob, expectError, expectGone, expectManifest } from './support/expect.ts';
import { imageManifest, MANIFEST } from './support/manifests.ts';
import { pushBlob, pushManifest } from './support/push.ts';
import { send } from './support/send.ts';
import { asUser, at, setStage } from './support/stage.ts';

const stage = setStage();
const BYTES = seededBytes(2000, 'a blob to delete');

describe('end-10, DELETE of a blob', () => {
  test.each(['sha256', 'sha512'] as const)('by %s takes it at once, and it can be pushed again', async (algorithm) => {
    const client = stage.client();
    for (const bytes of [BYTES, Buffer.alloc(0), Buffer.from('{}')]) {
      const digest = digestOf(bytes, algorithm);
      for (let round = 0; round < 2; round += 1) {
        await pushBlob(client, bytes, algorithm);
        await expectBlob(client, bytes, digest);
        expect((await send(client, 'DELETE', `blobs/${digest}`)).status).toBe(202);
        await expectGone(client, `blobs/${digest}`);
        expectError(await send(client, 'DELETE', `blobs/${digest}`), 404, ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
      }
    }
  });

  test('leaves it in another repository, and takes nothing there', async () => {
    const client = stage.client();
    const elsewhere = at(client, `${client.repository}/below`);
    const digest = await pushBlob(client, BYTES);
    expectError(await send(elsewhere, 'DELETE', `blobs/${digest}`), 404, ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
    await pushBlob(elsewhere, BYTES);
    expect((await send(client, 'DELETE', `blobs/${digest}`)).status).toBe(202);
    await expectBlob(elsewhere, BYTES);
    await expectGone(client, `blobs/${digest}`);
  });

  test('of one that a manifest lists is refused until that is gone', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const manifest = await pushManifest(client, 'v1', image);
    for (const { digest } of [image.config, ...image.layers]) {
      expectError(await send(client, 'DELETE', `blobs/${digest}`), [400, 405], ['DENIED', 'UNSUPPORTED']);
      expect((await send(client, 'HEAD', `blobs/${digest}`)).status).toBe(200);
    }
    await expectManifest(client, image, MANIFEST, 'v1');
    expect((await send(client, 'DELETE', `manifests/${manifest.digest}`)).status).toBe(202);
    for (const { digest } of [image.config, ...image.layers]) {
      expect((await send(client, 'DELETE', `blobs/${digest}`)).status).toBe(202);
      await expectGone(client, `blobs/${digest}`);
    }
  });

  test('is for those who may, and 400 for what is no digest', async () => {
    const client = stage.client();
    const digest = await pushBlob(client, BYTES);
    expectError(await send(asUser(client, 'rita'), 'DELETE', `blobs/${digest}`), 403, 'DENIED');
    expectError(await send(asUser(client, undefined), 'DELETE', `blobs/${digest}`), 401, 'UNAUTHORIZED');
    expectError(await send(client, 'DELETE', 'blobs/sha256:bad'), [400, 404], ['DIGEST_INVALID', 'UNSUPPORTED']);
    await expectBlob(client, BYTES);
  });
});
