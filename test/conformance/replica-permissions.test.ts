import { describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { expectBlob, expectError, expectGone, expectManifest } from './support/expect.ts';
import { imageManifest, INDEX, indexOf, MANIFEST } from './support/manifests.ts';
import { bytesOf, closing, openUpload, putManifest } from './support/push.ts';
import { change, digestOfManifest, OURS, remove, replicate, THEIRS } from './support/replicas.ts';
import { type Client, send } from './support/send.ts';
import { asUser, at, atMirror, setStage } from './support/stage.ts';
import { bearing, expectChallenge, tokenFor } from './support/tokens.ts';

const stage = setStage();

/** Who replicates, in a hosted repository of its own. */
function peerAt(): Client {
  return asUser(stage.client('local/replicas'), 'peer');
}

describe('who replicates to a hosted repository', () => {
  test.each(["the registry's door", "the mirror's door"])('brings whole images at %s', async (door) => {
    const own = peerAt();
    const peer = door === "the mirror's door" ? atMirror(stage, own) : own;
    const image = await imageManifest(peer);
    expectError(await putManifest(peer, 'v1', image), 403, 'DENIED');
    const answer = await replicate(peer, 'v1', image, change());
    expect([answer.status, answer.headers['entrepot-kept']]).toEqual([201, undefined]);
    expect(answer.headers['docker-content-digest']).toBe(digestOfManifest(image));
    await expectManifest(asUser(peer, 'ci'), image, MANIFEST, 'v1');
    expectError(await remove(peer, 'v1', {}), 403, 'DENIED');
    expect((await remove(peer, 'v1', change(1))).status).toBe(202);
    await expectGone(peer, 'manifests/v1');
    expect((await remove(peer, digestOfManifest(image), change(1))).status).toBe(202);
    await expectGone(peer, `manifests/${digestOfManifest(image)}`);
  });

  test('mounts blobs, sends them in pieces, and gives them up', async () => {
    const peer = peerAt();
    const bytes = seededBytes(5000, 'to be mounted');
    const source = asUser(at(peer, 'local/replicas/source'), 'ci');
    const digest = sha256(bytes);
    await send(source, 'POST', `blobs/uploads/?digest=${digest}`, { body: bytes });
    const mount = `blobs/uploads/?mount=${digest}&from=${source.repository}`;
    expect((await send(peer, 'POST', mount)).status).toBe(201);
    await expectBlob(peer, bytes);
    const pieces = [seededBytes(3000, 'one'), seededBytes(2000, 'two')];
    let location = await openUpload(peer);
    for (const body of pieces) location = (await send(peer, 'PATCH', location, { body })).headers.location ?? '';
    expect((await send(peer, 'GET', location)).headers.range).toBe('0-4999');
    const whole = Buffer.concat(pieces);
    expect((await send(peer, 'PUT', closing(location, sha256(whole)))).status).toBe(201);
    await expectBlob(peer, whole);
    expect((await send(peer, 'DELETE', await openUpload(peer))).status).toBe(204);
    expectError(await send(peer, 'DELETE', `blobs/${digest}`), 403, 'DENIED');
  });

  test('may leave out what it does not send, and is told so when it is asked for', async () => {
    const peer = peerAt();
    const child = { mediaType: MANIFEST, digest: `sha256:${'a'.repeat(64)}`, size: 100 };
    const index = indexOf([child]);
    expectError(await putManifest(asUser(peer, 'ci'), 'v1', index), 404, 'MANIFEST_BLOB_UNKNOWN');
    const headers = { 'Content-Type': index.mediaType, ...change() };
    expect((await send(peer, 'PUT', 'manifests/v1', { body: bytesOf(index), headers })).status).toBe(201);
    await expectManifest(peer, index, index.mediaType, 'v1');
    await expectGone(peer, `manifests/${child.digest}`);
    const secret = seededBytes(2000, 'what others have');
    const elsewhere = asUser(at(peer, 'local/secret/app'), 'ci');
    await send(elsewhere, 'POST', `blobs/uploads/?digest=${sha256(secret)}`, { body: secret });
    const layer = { mediaType: 'application/octet-stream', digest: sha256(secret), size: secret.length };
    const image = { schemaVersion: 2, mediaType: MANIFEST, config: layer, layers: [layer] };
    expect((await replicate(peer, 'v2', image, change())).status).toBe(201);
    // Naming what another repository has does not open it.
    await expectGone(peer, `blobs/${layer.digest}`);
  });

  test('needs nothing less than that permission', async () => {
    const peer = peerAt();
    for (const user of ['ci', 'rita']) {
      expectError(await replicate(asUser(peer, user), 'v1', OURS, change()), 403, 'DENIED');
      expectError(await remove(asUser(peer, user), 'v1', change()), 403, 'DENIED');
    }
    const elsewhere = asUser(stage.client(), 'peer');
    expectError(await replicate(elsewhere, 'v1', OURS, change()), 403, 'DENIED');
    expectError(await send(elsewhere, 'POST', 'blobs/uploads/'), 403, 'DENIED');
    const nobody = asUser(peer, undefined);
    expectError(await replicate(atMirror(stage, nobody), 'v1', OURS, change()), 403, 'DENIED');
    expectChallenge(await replicate(nobody, 'v1', OURS, change()));
  });

  test('gets a token for it by the words of a push, and of a deletion', async () => {
    const peer = peerAt();
    const bare = asUser(peer, undefined);
    const pushing = bearing(await tokenFor(peer, expectChallenge(await send(bare, 'POST', 'blobs/uploads/')), 'peer'));
    expect((await send(bare, 'POST', 'blobs/uploads/', pushing)).status).toBe(202);
    expect((await replicate(bare, 'v1', OURS, { ...change(), ...pushing.headers })).status).toBe(201);
    expectError(await replicate(bare, 'v1', OURS, pushing.headers), 403, 'DENIED');
    const elsewhere = at(bare, `${peer.repository}/below`);
    expect(expectChallenge(await send(elsewhere, 'POST', 'blobs/uploads/', pushing))).toMatchObject({
      error: 'insufficient_scope',
      scope: `repository:${elsewhere.repository}:pull,push`,
    });
    const challenge = expectChallenge(await remove(bare, 'v1', change(1)));
    expect(challenge['scope']).toBe(`repository:${peer.repository}:delete`);
    const deleting = bearing(await tokenFor(peer, challenge, 'peer'));
    expect((await remove(bare, 'v1', { ...change(1), ...deleting.headers })).status).toBe(202);
    const anonymous = bearing(await tokenFor(peer, challenge));
    const refused = await remove(bare, 'v1', { ...change(1), ...anonymous.headers });
    expectError(refused, 403, 'DENIED');
  });
});

describe("the site's own rules", () => {
  test('hold for replicas: what is immutable stays', async () => {
    const peer = asUser(stage.client('local/frozen'), 'peer');
    expect((await replicate(peer, 'v1', OURS, change(-10))).status).toBe(201);
    expectError(await replicate(peer, 'v1', THEIRS, change(-5, digestOfManifest(OURS))), 403, 'DENIED');
    expectError(await remove(peer, 'v1', change(-5)), 403, 'DENIED');
    await expectManifest(peer, OURS, INDEX, 'v1');
  });

  test('hold for replicated deletions: where nothing is deleted nothing is', async () => {
    const peer = asUser(stage.client('local/kept'), 'peer');
    await replicate(peer, 'v1', OURS, change(-10));
    expectError(await remove(peer, 'v1', change(-5)), 405, 'UNSUPPORTED');
    await expectManifest(peer, OURS, INDEX, 'v1');
  });
});
