import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes, sha256 } from '../support/bytes.ts';
import { expectBlob, expectCreated, expectError, expectGone, expectUpload } from './support/expect.ts';
import { imageManifest, MANIFEST } from './support/manifests.ts';
import { closing, locationOf, pushBlob, pushManifest } from './support/push.ts';
import { type Client, send } from './support/send.ts';
import { asUser, at, setStage } from './support/stage.ts';

const stage = setStage();
let seed = 0;

/** Bytes that no other test pushed: a mount without `from` may find them anywhere. */
function ownBytes(): Buffer {
  seed += 1;
  return seededBytes(5000, `mount ${seed}`);
}

function mount(client: Client, digest: string, from?: string) {
  return send(client, 'POST', `blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${from}`}`);
}

describe('end-11, a mount', () => {
  test.each(['sha256', 'sha512'] as const)(
    'by %s makes a blob of another repository one of this',
    async (algorithm) => {
      const client = stage.client();
      const bytes = ownBytes();
      const digest = await pushBlob(at(client, 'local/source'), bytes, algorithm);
      await expectCreated(client, await mount(client, digest, 'local/source'), bytes, { digest });
      await expectBlob(client, bytes, digest);
    },
  );

  test.each(['sha256', 'sha512'] as const)('without from, by %s, finds it wherever it is', async (algorithm) => {
    const client = stage.client();
    const bytes = ownBytes();
    const digest = await pushBlob(at(client, 'local/source'), bytes, algorithm);
    await expectCreated(client, await mount(client, digest), bytes, { digest });
  });

  test('lets an image of mounted blobs be pushed, and outlives its source', async () => {
    const client = stage.client();
    const source = at(client, `${client.repository}/source`);
    const image = await imageManifest(source, 'mounted');
    for (const { digest } of [image.config, ...image.layers]) {
      locationOf(await mount(client, digest, source.repository), 201);
    }
    await pushManifest(client, 'v1', image, MANIFEST);
    for (const { digest } of [image.config, ...image.layers]) {
      expect((await send(source, 'DELETE', `blobs/${digest}`)).status).toBe(202);
      expect((await send(client, 'GET', `blobs/${digest}`)).status).toBe(200);
    }
  });

  test('of what is not there opens an upload instead', async () => {
    const client = stage.client();
    const bytes = ownBytes();
    const digest = sha256(bytes);
    for (const from of ['local/source', 'local/never/pushed', undefined]) {
      const location = await expectUpload(client, locationOf(await mount(client, digest, from), 202), 0);
      await expectGone(client, `blobs/${digest}`);
      if (from !== undefined) continue;
      await expectCreated(client, await send(client, 'PUT', closing(location, digest), { body: bytes }), bytes);
    }
  });

  test('from a repository that does not have it opens an upload though another has it', async () => {
    const client = stage.client();
    const digest = await pushBlob(at(client, 'local/source'), ownBytes());
    locationOf(await mount(client, digest, `${client.repository}/below`), 202);
    await expectGone(client, `blobs/${digest}`);
  });

  test('from a repository that the client may not pull opens an upload, and the blob stays a secret', async () => {
    const secret = at(stage.client(), 'local/secret/app');
    const dave = asUser(stage.client(), 'dave');
    const bytes = ownBytes();
    const digest = await pushBlob(secret, bytes);
    expectError(await send(asUser(secret, 'dave'), 'GET', `blobs/${digest}`), 403, 'DENIED');
    for (const from of [secret.repository, undefined]) {
      locationOf(await mount(dave, digest, from), 202);
      await expectGone(dave, `blobs/${digest}`);
    }
    const client = stage.client();
    await expectCreated(client, await mount(client, digest, secret.repository), bytes);
  });

  test('of what is no digest, or from what is no repository, mounts nothing', async () => {
    const client = stage.client();
    for (const digest of ['sha256:bad', '', `md5:${'a'.repeat(32)}`]) {
      const answer = await mount(client, digest, 'local/source');
      if (answer.status !== 202) expectError(answer, 400, ['DIGEST_INVALID', 'UNSUPPORTED']);
    }
    const digest = await pushBlob(at(client, 'local/source'), ownBytes());
    for (const from of ['local/../source', 'LOCAL', 'nowhere.example/app']) {
      const answer = await mount(client, digest, encodeURIComponent(from));
      expect([202, 400, 404], from).toContain(answer.status);
      await expectGone(client, `blobs/${digest}`);
    }
  });

  test('is for those who may push', async () => {
    const client = stage.client();
    const digest = await pushBlob(at(client, 'local/source'), ownBytes());
    expectError(await mount(asUser(client, 'rita'), digest, 'local/source'), 403, 'DENIED');
    expectError(await mount(asUser(client, undefined), digest, 'local/source'), 401, 'UNAUTHORIZED');
    await expectGone(client, `blobs/${digestOf(Buffer.from(digest))}`);
  });
});
