import { afterAll, describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { expectBlob, expectContent, expectError, expectManifest } from './support/expect.ts';
import { artifactManifest, imageManifest, MANIFEST, SIGNATURE } from './support/manifests.ts';
import { pushBlob, pushManifest, putManifest, ship } from './support/push.ts';
import { type Client, jsonOf, send } from './support/send.ts';
import { asUser, at, atMirror, setStage } from './support/stage.ts';

let origin: Origin;
const stage = setStage(async () => {
  origin = await startOrigin({ referrers: true });
  return { origin };
});
afterAll(async () => origin[Symbol.asyncDispose]());

/** Who replicates, in a repository of the upstream's. */
function peerIn(name: string): Client {
  return at(asUser(stage.client(), 'peer'), `docker.io/${name}`);
}

describe('a repository of an upstream', () => {
  test.each(['docker.io/library/app', 'library/app'])('is not written by who may only push, as %s', async (name) => {
    const ci = at(stage.client(), name);
    const image = { schemaVersion: 2, mediaType: MANIFEST, layers: [] };
    const bytes = seededBytes(100, 'x');
    for (const client of [ci, atMirror(stage, ci), asUser(ci, 'rita')]) {
      for (const answer of [
        await send(client, 'POST', 'blobs/uploads/'),
        await send(client, 'POST', `blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes }),
        await send(client, 'POST', `blobs/uploads/?mount=${sha256(bytes)}&from=local/source`),
        await putManifest(client, 'v1', image),
        await send(client, 'DELETE', 'manifests/v1'),
        await send(client, 'DELETE', `blobs/${sha256(bytes)}`),
      ]) {
        expectError(answer, 403, 'DENIED');
      }
    }
    expectError(await send(asUser(ci, undefined), 'POST', 'blobs/uploads/'), 401, 'UNAUTHORIZED');
    expect(origin.requests).toEqual([]);
  });

  test('is written by who replicates, and served to all from then on', async () => {
    const peer = peerIn('library/replica');
    const index = await ship(peer, (target) => buildIndex(target, '', 'v1'));
    origin.resetCounts();
    const anyone = asUser(atMirror(stage, peer), undefined);
    for (const name of ['docker.io/library/replica', 'library/replica', 'replica']) {
      const client = at(anyone, name);
      await expectManifest(client, index.bytes, index.mediaType, 'v1');
      for (const image of index.images) {
        await expectManifest(client, image.bytes, MANIFEST);
        for (const blob of [image.config, ...image.layers]) {
          expectContent(await send(client, 'GET', `blobs/${blob}`), blob);
        }
      }
    }
    expect(jsonOf(await send(at(anyone, 'library/replica'), 'GET', 'tags/list'))['tags']).toEqual(['v1']);
    expect(origin.blobBytesSent()).toBe(0);
  });

  test('lacks what only its upstream has, for who replicates, and for nobody else', async () => {
    const image = buildImage(origin, 'library/both', 'v1', { seed: 9 });
    const peer = peerIn('library/both');
    const [layer] = image.layers;
    for (const path of ['manifests/v1', `manifests/${image.digest}`, `blobs/${layer}`]) {
      expect((await send(peer, 'HEAD', path)).status, path).toBe(404);
      expect((await send(asUser(peer, 'ci'), 'HEAD', path)).status, path).toBe(200);
    }
    await ship(peer, (target) => buildImage(target, '', 'v1', { seed: 9 }));
    for (const path of ['manifests/v1', `manifests/${image.digest}`, `blobs/${layer}`]) {
      expect((await send(peer, 'HEAD', path)).status, path).toBe(200);
    }
    expect(origin.blobBytesSent()).toBe(0);
  });

  test('serves what was replicated when the upstream is down, and after a restart', async () => {
    const peer = peerIn('library/while-down');
    const image = await ship(peer, (target) => buildImage(target, '', 'v1', { seed: 7 }));
    await origin.stop();
    await stage.server.restart();
    try {
      const client = at(asUser(atMirror(stage, stage.client()), undefined), 'library/while-down');
      await expectManifest(client, image.bytes, MANIFEST, 'v1');
      for (const blob of image.layers) expectContent(await send(client, 'GET', `blobs/${blob}`), blob);
    } finally {
      await origin.restart();
    }
  });

  test('has one content, whether it was replicated or pulled', async () => {
    const image = buildImage(origin, 'library/both', 'v1', { seed: 9 });
    const anyone = at(asUser(atMirror(stage, stage.client()), undefined), 'library/both');
    for (const blob of image.layers) expectContent(await send(anyone, 'GET', `blobs/${blob}`), blob);
    const peer = peerIn('library/both');
    expect((await send(peer, 'HEAD', `blobs/${image.layers[0]}`)).status).toBe(200);
    await ship(peer, (target) => buildImage(target, '', 'v2', { seed: 9 }));
    await expectManifest(anyone, image.bytes, MANIFEST, 'v2');
    await expectManifest(anyone, image.bytes, MANIFEST, 'v1');
  });

  test('has referrers that were replicated beside those of the upstream', async () => {
    const image = buildImage(origin, 'library/signed', 'v1', { seed: 11 });
    const theirs = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: SIGNATURE,
      subject: { digest: image.digest },
    };
    origin.addManifest('library/signed', undefined, theirs, MANIFEST);
    const peer = peerIn('library/signed');
    const subject = { mediaType: MANIFEST, digest: image.digest, size: image.bytes.length };
    const own = await pushManifest(peer, undefined, await artifactManifest(peer, { subject, artifactType: SIGNATURE }));
    const answer = await send(peer, 'GET', `referrers/${image.digest}`);
    const { manifests } = jsonOf(answer) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest).toSorted()).toEqual(
      [own.digest, sha256(Buffer.from(JSON.stringify(theirs)))].toSorted(),
    );
  });

  test('is deleted from by who replicates, and the upstream is asked again', async () => {
    const peer = peerIn('library/deleted');
    await pushManifest(peer, 'v1', await imageManifest(peer));
    expect((await send(peer, 'DELETE', 'manifests/v1')).status).toBe(202);
    expectError(await send(peer, 'GET', 'manifests/v1'), 404, ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);
    expect(origin.requestCount({ path: '/v2/library/deleted/manifests/v1' })).toBeGreaterThan(0);
  });

  test('is not pushed to the upstream', () => {
    expect(origin.requests.filter(({ method }) => !['GET', 'HEAD'].includes(method))).toEqual([]);
  });
});

test('who replicates may not push to what is hosted', async () => {
  const peer = asUser(stage.client(), 'peer');
  expectError(await send(peer, 'POST', 'blobs/uploads/'), 403, 'DENIED');
  const ci = at(peer, peer.repository);
  expectError(await putManifest(ci, 'v1', {}), 403, 'DENIED');
});

test('a blob is mounted from a repository of an upstream into a hosted one', async () => {
  const bytes = seededBytes(3000, 'from upstream');
  const digest = origin.addBlob(bytes);
  const client = stage.client();
  const proxied = at(client, 'docker.io/library/base');
  await expectBlob(proxied, bytes);
  const mounted = await send(client, 'POST', `blobs/uploads/?mount=${digest}&from=docker.io/library/base`);
  expect(mounted.status).toBe(201);
  await expectBlob(client, bytes);
  expect(await pushBlob(client, bytes)).toBe(digest);
});
