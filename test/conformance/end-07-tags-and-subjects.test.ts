import { describe, expect, test } from 'vitest';
import { digestOf, sha256 } from '../support/bytes.ts';
import { expectError, expectGone, expectManifest } from './support/expect.ts';
import { artifactManifest, imageManifest, INDEX, indexOf, MANIFEST, SIGNATURE } from './support/manifests.ts';
import { bytesOf, pushManifest, putManifest } from './support/push.ts';
import { type Answer, jsonOf, send } from './support/send.ts';
import { setStage } from './support/stage.ts';

const stage = setStage();
const TAGS = ['1.2.3', '1.2', '1', 'latest', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** The tags that an answer says were set, whether in one line or in several. */
function tagsOf({ headers }: Answer): string[] {
  return [headers['oci-tag'] ?? []]
    .flat()
    .flatMap((line) => line.split(','))
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
}

describe('end-7b, PUT of a manifest with ?tag=', () => {
  test.each(['sha256', 'sha512'] as const)('by %s sets a dozen tags at once and says so', async (algorithm) => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    const digest = digestOf(bytesOf(manifest), algorithm);
    const query = TAGS.map((tag) => `tag=${tag}`).join('&');
    const answer = await putManifest(client, `${digest}?${query}`, manifest);
    expect(answer.status).toBe(201);
    expect(answer.headers['docker-content-digest']).toBe(digest);
    expect(tagsOf(answer).toSorted()).toEqual(TAGS.toSorted());
    for (const tag of TAGS) {
      const got = await send(client, 'GET', `manifests/${tag}`);
      expect(got.headers['docker-content-digest']).toBe(digest);
      expect(got.body.equals(bytesOf(manifest))).toBe(true);
    }
    expect(jsonOf(await send(client, 'GET', 'tags/list'))['tags']).toEqual(TAGS.toSorted());
  });

  test('sets one tag only once, and says nothing of tags when there are none', async () => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    const digest = sha256(bytesOf(manifest));
    expect(tagsOf(await putManifest(client, digest, manifest))).toEqual([]);
    const answer = await putManifest(client, `${digest}?tag=v1&tag=v1`, manifest);
    expect(answer.status).toBe(201);
    expect(new Set(tagsOf(answer))).toEqual(new Set(['v1']));
    expect(jsonOf(await send(client, 'GET', 'tags/list'))['tags']).toEqual(['v1']);
  });

  test('is refused with a tag that is none, and then sets none and keeps nothing', async () => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    const digest = sha256(bytesOf(manifest));
    for (const tag of ['.bad', 'v%2B1', 'v'.repeat(129)]) {
      const answer = await putManifest(client, `${digest}?tag=good&tag=${tag}`, manifest);
      expectError(answer, 400);
    }
    await expectGone(client, 'manifests/good');
    await expectGone(client, `manifests/${digest}`);
  });

  test('is taken or refused with 414 or 431 with hundreds of tags, not half', async () => {
    const client = stage.client();
    const manifest = await imageManifest(client);
    const tags = Array.from({ length: 300 }, (_, n) => `t${n}`);
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const answer = await putManifest(client, `${sha256(bytesOf(manifest))}?${query}`, manifest);
    expect([201, 400, 414, 431]).toContain(answer.status);
    const first = await send(client, 'HEAD', 'manifests/t0');
    const last = await send(client, 'HEAD', 'manifests/t299');
    expect([first.status, last.status]).toEqual(answer.status === 201 ? [200, 200] : [404, 404]);
  });
});

describe('end-7a, PUT of a manifest with a subject', () => {
  test('says which subject it was, whether that is there or not, and comes before or after it', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    const subject = { mediaType: MANIFEST, digest: sha256(bytesOf(image)), size: bytesOf(image).length };
    for (const step of ['before', 'after']) {
      const artifact = await artifactManifest(client, { subject, artifactType: SIGNATURE, annotations: { step } });
      const answer = await putManifest(client, sha256(bytesOf(artifact)), artifact);
      expect(answer.status).toBe(201);
      expect(answer.headers['oci-subject']).toBe(subject.digest);
      await expectManifest(client, artifact, MANIFEST);
      await pushManifest(client, 'v1', image);
    }
    const list = await send(client, 'GET', `referrers/${subject.digest}`);
    expect(jsonOf(list)['manifests']).toHaveLength(2);
  });

  test('says so by tag and for an index too, and says nothing where there is none', async () => {
    const client = stage.client();
    const subject = await pushManifest(client, undefined, await imageManifest(client));
    const index = indexOf([], { subject, artifactType: SIGNATURE });
    const answer = await putManifest(client, 'index', index);
    expect(answer.status).toBe(201);
    expect(answer.headers['oci-subject']).toBe(subject.digest);
    await expectManifest(client, index, INDEX, 'index');
    expect((await putManifest(client, 'v1', await imageManifest(client))).headers['oci-subject']).toBeUndefined();
  });
});
