import { describe, expect, test } from 'vitest';
import { digestOf, sha256 } from '../support/bytes.ts';
import { buildImage, buildIndex, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { expectContent, expectError, expectGone } from './support/expect.ts';
import { putManifest, ship } from './support/push.ts';
import { jsonOf, send } from './support/send.ts';
import { at, atMirror, setStage } from './support/stage.ts';

const stage = setStage();
const { manifest: MANIFEST, index: INDEX } = IMAGE_MEDIA_TYPES.oci;

describe('end-3, a manifest', () => {
  test('comes by tag and by digest, by GET and by HEAD, at both doors', async () => {
    const pushing = stage.client();
    const image = await ship(pushing, (target) => buildImage(target, '', 'v1'));
    for (const client of [pushing, atMirror(stage, pushing)]) {
      for (const reference of ['v1', image.digest]) {
        const got = await send(client, 'GET', `manifests/${reference}`);
        expectContent(got, image.digest, MANIFEST, image.bytes);
        const head = await send(client, 'HEAD', `manifests/${reference}`);
        expect(head.status).toBe(200);
        expect(head.body.length).toBe(0);
        for (const name of ['content-length', 'content-type', 'docker-content-digest']) {
          expect(head.headers[name], name).toBe(got.headers[name]);
        }
      }
    }
  });

  test('comes whatever Accept says, also in two lines and with one that does not name its type', async () => {
    const client = stage.client();
    const index = await ship(client, (target) => buildIndex(target, '', 'v1'));
    for (const Accept of [[INDEX, MANIFEST], [MANIFEST, INDEX], '*/*', `${MANIFEST}, ${INDEX};q=0.5`]) {
      const got = await send(client, 'GET', 'manifests/v1', { headers: { Accept } });
      expectContent(got, index.digest, INDEX, index.bytes);
    }
    expectContent(await send(client, 'GET', 'manifests/v1'), index.digest, INDEX, index.bytes);
  });

  test('comes by sha512 and by sha256 if it was pushed by both', async () => {
    const client = stage.client();
    const image = await ship(client, (target) => buildImage(target, '', undefined));
    const digest = digestOf(image.bytes, 'sha512');
    expect((await putManifest(client, digest, image.bytes)).status).toBe(201);
    for (const name of [digest, image.digest]) {
      expectContent(await send(client, 'GET', `manifests/${name}`), name, MANIFEST, image.bytes);
    }
  });

  test('is 404 where there is none, by tag and by digest, in a repository that there is and in one that there is not', async () => {
    const client = stage.client();
    const image = await ship(client, (target) => buildImage(target, '', 'v1'));
    for (const elsewhere of [client, at(client, `${client.repository}/below`), at(client, 'local/never-pushed')]) {
      await expectGone(elsewhere, 'manifests/v2');
      await expectGone(elsewhere, `manifests/${sha256(Buffer.from('never pushed'))}`);
    }
    await expectGone(at(client, `${client.repository}/below`), `manifests/${image.digest}`);
    await expectGone(client, `manifests/${image.layers[0]}`);
  });

  test.each([
    'local/manifests',
    'local/blobs/uploads',
    'local/tags/list',
    'local/referrers/manifests/v1',
    'local/v2',
    'local/0__0.0-0---0/a',
    `local/${'long/'.repeat(39)}name`,
  ])('is pushed, listed and pulled in %s and by tags of all kinds', async (repository) => {
    const client = at(stage.client(), repository);
    const tags = ['list', 'manifests', 'sha256', 'uploads', '_', 'V.1-a_b', '9'.repeat(128)].toSorted();
    const image = await ship(client, (target) => buildImage(target, '', undefined));
    for (const tag of tags) {
      expect((await putManifest(client, tag, image.bytes)).status, tag).toBe(201);
      expectContent(await send(client, 'GET', `manifests/${tag}`), image.digest, MANIFEST, image.bytes);
    }
    expect(jsonOf(await send(client, 'GET', 'tags/list'))).toEqual({ name: repository, tags });
    expectContent(await send(client, 'GET', `blobs/${image.layers[0]}`), String(image.layers[0]));
  });

  test.each([
    'sha256:baddigeststring',
    `md5:${'a'.repeat(32)}`,
    `sha256:${'A'.repeat(64)}`,
    '.v1',
    '-v1',
    'v'.repeat(129),
    'v%2B1',
  ])('is 400 or 404 by the name %s', async (reference) => {
    const client = stage.client();
    const answer = await send(client, 'GET', `manifests/${reference}`);
    expectError(answer, [400, 404], ['DIGEST_INVALID', 'MANIFEST_INVALID', 'MANIFEST_UNKNOWN', 'UNSUPPORTED']);
  });

  test.each(['local/UPPER/case', 'local/a..b', 'local/-a', 'local/a-', 'local//a'])(
    'is 400 or 404 in %s, which is no name',
    async (repository) => {
      const client = at(stage.client(), repository);
      const answer = await send(client, 'GET', 'manifests/v1');
      expectError(answer, [400, 404], ['NAME_INVALID', 'NAME_UNKNOWN', 'UNSUPPORTED']);
    },
  );
});
