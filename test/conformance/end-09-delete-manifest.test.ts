import { describe, expect, test } from 'vitest';
import { sha256 } from '../support/bytes.ts';
import { expectBlob, expectError, expectGone, expectManifest } from './support/expect.ts';
import { artifactManifest, imageManifest, INDEX, indexOf, MANIFEST, SIGNATURE } from './support/manifests.ts';
import { bytesOf, pushManifest, putManifest } from './support/push.ts';
import { type Client, jsonOf, send } from './support/send.ts';
import { asUser, at, setStage } from './support/stage.ts';

const stage = setStage();

async function tagsOf(client: Client): Promise<unknown> {
  return jsonOf(await send(client, 'GET', 'tags/list'))['tags'];
}

describe('end-9, DELETE of a tag', () => {
  test('takes the tag at once, and leaves other tags and what they point at', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    for (const tag of ['v1', 'v2']) await pushManifest(client, tag, image);
    expect((await send(client, 'DELETE', 'manifests/v1')).status).toBe(202);
    await expectGone(client, 'manifests/v1');
    expect(await tagsOf(client)).toEqual(['v2']);
    await expectManifest(client, image, MANIFEST, 'v2');
    expect((await send(client, 'DELETE', 'manifests/v2')).status).toBe(202);
    await expectManifest(client, image, MANIFEST);
    expect(await tagsOf(client)).toEqual([]);
    await pushManifest(client, 'v1', image);
    await expectManifest(client, image, MANIFEST, 'v1');
  });
});

describe('end-9, DELETE of a manifest', () => {
  test('takes it and its tags at once, and it can be pushed again', async () => {
    const client = stage.client();
    const [image, other] = [await imageManifest(client, 1), await imageManifest(client, 2)];
    const { digest } = await pushManifest(client, 'v1', image);
    await pushManifest(client, 'latest', image);
    await pushManifest(client, 'v2', other);
    expect((await send(client, 'DELETE', `manifests/${digest}`)).status).toBe(202);
    for (const reference of [digest, 'v1', 'latest']) await expectGone(client, `manifests/${reference}`);
    expect(await tagsOf(client)).toEqual(['v2']);
    await expectManifest(client, other, MANIFEST, 'v2');
    await pushManifest(client, 'v1', image);
    await expectManifest(client, image, MANIFEST, 'v1');
  });

  test('takes an index without the images that have tags, and an image without its index', async () => {
    const client = stage.client();
    const [image, other] = [await imageManifest(client, 1), await imageManifest(client, 2)];
    const children = [await pushManifest(client, 'one', image), await pushManifest(client, undefined, other)];
    const index = indexOf(children);
    const { digest } = await pushManifest(client, 'all', index);
    expect((await send(client, 'DELETE', `manifests/${children[1]?.digest}`)).status).toBe(202);
    await expectManifest(client, index, INDEX, 'all');
    await expectGone(client, `manifests/${children[1]?.digest}`);
    expect((await send(client, 'DELETE', `manifests/${digest}`)).status).toBe(202);
    await expectGone(client, 'manifests/all');
    await expectManifest(client, image, MANIFEST, 'one');
    for (const layer of image.layers) expect((await send(client, 'HEAD', `blobs/${layer.digest}`)).status).toBe(200);
  });

  test('takes it from the referrers of its subject at once', async () => {
    const client = stage.client();
    const subject = await pushManifest(client, 'v1', await imageManifest(client));
    const artifact = await pushManifest(client, undefined, await artifactManifest(client, { subject }));
    const referrers = async () => jsonOf(await send(client, 'GET', `referrers/${subject.digest}`))['manifests'];
    expect(await referrers()).toHaveLength(1);
    expect((await send(client, 'DELETE', `manifests/${artifact.digest}`)).status).toBe(202);
    expect(await referrers()).toEqual([]);
  });

  test('leaves the same manifest in another repository', async () => {
    const client = stage.client();
    const elsewhere = at(client, `${client.repository}/below`);
    const image = await imageManifest(client);
    await imageManifest(elsewhere);
    const { digest } = await pushManifest(client, 'v1', image);
    await pushManifest(elsewhere, 'v1', image);
    expect((await send(client, 'DELETE', `manifests/${digest}`)).status).toBe(202);
    await expectGone(client, `manifests/${digest}`);
    await expectManifest(elsewhere, image, MANIFEST, 'v1');
    await expectBlob(elsewhere, Buffer.from((await send(elsewhere, 'GET', `blobs/${image.config.digest}`)).body));
  });
});

describe('end-9, DELETE', () => {
  test('is 404 for what is not there, and 400 or 404 for what is no name', async () => {
    const client = stage.client();
    await pushManifest(client, 'v1', await imageManifest(client));
    for (const elsewhere of [client, at(client, 'local/never/pushed')]) {
      for (const reference of ['v2', sha256(Buffer.from('never pushed'))]) {
        const answer = await send(elsewhere, 'DELETE', `manifests/${reference}`);
        expectError(answer, 404, ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);
      }
    }
    for (const reference of ['sha256:bad', '.v1']) {
      expectError(await send(client, 'DELETE', `manifests/${reference}`), [400, 404]);
    }
  });

  test('is for those who may', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const { digest } = await pushManifest(client, 'v1', image);
    for (const reference of ['v1', digest]) {
      expectError(await send(asUser(client, 'rita'), 'DELETE', `manifests/${reference}`), 403, 'DENIED');
      expectError(await send(asUser(client, undefined), 'DELETE', `manifests/${reference}`), 401, 'UNAUTHORIZED');
    }
    await expectManifest(client, image, MANIFEST, 'v1');
  });

  test('is 400 or 405 where a rule forbids it, and nothing goes', async () => {
    const client = stage.client('local/kept');
    const image = await imageManifest(client);
    const { digest } = await pushManifest(client, 'v1', image);
    for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${image.config.digest}`]) {
      expectError(await send(client, 'DELETE', path), [400, 405], 'UNSUPPORTED');
    }
    await expectManifest(client, image, MANIFEST, 'v1');
    await pushManifest(client, 'v1', await imageManifest(client, 2));
  });
});

describe('a tag that never moves', () => {
  test('is neither moved nor deleted, alone or with its manifest, and may be pushed again as it is', async () => {
    const client = stage.client('local/frozen');
    const [image, other] = [await imageManifest(client, 1), await imageManifest(client, 2)];
    const { digest } = await pushManifest(client, 'v1', image);
    for (const answer of [
      await putManifest(client, 'v1', other),
      await putManifest(client, `${sha256(bytesOf(other))}?tag=free&tag=v1`, other),
      await send(client, 'DELETE', 'manifests/v1'),
      await send(client, 'DELETE', `manifests/${digest}`),
    ]) {
      expectError(answer, [400, 403, 405, 409], ['DENIED', 'UNSUPPORTED', 'MANIFEST_INVALID']);
    }
    await expectGone(client, 'manifests/free');
    await pushManifest(client, 'v1', image);
    await expectManifest(client, image, MANIFEST, 'v1');
    const artifact = await artifactManifest(client, { artifactType: SIGNATURE });
    for (const manifest of [image, artifact]) await pushManifest(client, 'latest', manifest);
    expect((await send(client, 'DELETE', 'manifests/latest')).status).toBe(202);
  });
});
