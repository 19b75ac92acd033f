import { afterAll, describe, expect, test } from 'vitest';
import { administer } from '../faults/support/operator.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { type BuiltImage, buildImage } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { expectBlob, expectContent, expectCreated, expectGone, expectManifest } from './support/expect.ts';
import { imageManifest, indexOf, MANIFEST } from './support/manifests.ts';
import { bytesOf, locationOf, openUpload, pushBlob, pushManifest, putManifest, ship } from './support/push.ts';
import { type Client, send } from './support/send.ts';
import { at, setStage } from './support/stage.ts';

let origin: Origin;
const stage = setStage(async () => {
  origin = await startOrigin();
  return { origin };
});
afterAll(async () => origin[Symbol.asyncDispose]());

async function collectGarbage(): Promise<void> {
  await administer(stage.server, 'POST', '/gc', { dryRun: false });
}

async function expectPullable(client: Client, image: BuiltImage): Promise<void> {
  await expectManifest(client, image.bytes, MANIFEST);
  for (const blob of [image.config, ...image.layers]) {
    expectContent(await send(client, 'GET', `blobs/${blob}`), blob);
  }
}

describe('garbage collection', () => {
  test('takes nothing of what is being pushed, between any two steps of it', async () => {
    const client = stage.client();
    const location = locationOf(await send(client, 'PATCH', await openUpload(client), { body: 'half' }), 202);
    await collectGarbage();
    const image = await imageManifest(client, 'gc');
    await collectGarbage();
    const child = await pushManifest(client, undefined, image);
    await collectGarbage();
    await pushManifest(client, 'v1', indexOf([child]));
    await collectGarbage();
    await expectManifest(client, image, MANIFEST);
    for (const { digest } of [image.config, ...image.layers]) {
      expect((await send(client, 'GET', `blobs/${digest}`)).status).toBe(200);
    }
    const bytes = Buffer.from('half and half');
    const patched = await send(client, 'PATCH', location, { body: ' and half' });
    const end = `${locationOf(patched, 202)}?digest=${sha256(bytes)}`;
    await expectCreated(client, await send(client, 'PUT', end), bytes);
  });

  test('over and over while images are pushed and deleted harms none of them', async () => {
    const client = stage.client();
    const pushing = new AbortController();
    const collecting = (async () => {
      while (!pushing.signal.aborted) await collectGarbage();
    })();
    const results = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const image = await ship(client, (target) => buildImage(target, '', `v${n}`, { seed: n }));
        if (n % 2 === 0) return { image, isKept: true };
        expect((await send(client, 'DELETE', `manifests/${image.digest}`)).status).toBe(202);
        return { image, isKept: false };
      }),
    );
    pushing.abort();
    await collecting;
    for (const { image, isKept } of results) {
      if (isKept) await expectPullable(client, image);
      else await expectGone(client, `manifests/${image.digest}`);
    }
  });
});

describe('two at once', () => {
  test('for a tag that never moves: one of them gets it, and it stays there', async () => {
    const client = stage.client('local/frozen');
    const images = await Promise.all([1, 2, 3, 4].map((seed) => imageManifest(client, seed)));
    const answers = await Promise.all(images.map((image) => putManifest(client, 'v1', image)));
    const winners = images.filter((_, n) => answers[n]?.status === 201);
    expect(winners).toHaveLength(1);
    for (const image of winners) await expectManifest(client, image, MANIFEST, 'v1');
    for (const { status } of answers) expect([201, 400, 403, 405, 409]).toContain(status);
  });

  test('for one tag: it points at one of them, and both are there', async () => {
    const client = stage.client();
    const images = await Promise.all([1, 2, 3, 4].map((seed) => imageManifest(client, seed)));
    for (const { status } of await Promise.all(images.map((image) => putManifest(client, 'v1', image)))) {
      expect(status).toBe(201);
    }
    const digests = images.map((image) => sha256(bytesOf(image)));
    expect(digests).toContain((await send(client, 'HEAD', 'manifests/v1')).headers['docker-content-digest']);
    for (const image of images) await expectManifest(client, image, MANIFEST);
  });

  test('deleting and pushing what it is a part of: either it is there whole, or it was refused', async () => {
    const client = stage.client();
    for (let round = 0; round < 5; round += 1) {
      const child = await pushManifest(client, undefined, await imageManifest(client, round));
      const [deleted, put] = await Promise.all([
        send(client, 'DELETE', `manifests/${child.digest}`),
        putManifest(client, `v${round}`, indexOf([child])),
      ]);
      expect([202, 404]).toContain(deleted.status);
      expect([201, 400, 404]).toContain(put.status);
      const index = await send(client, 'GET', `manifests/v${round}`);
      expect(index.status).toBe(put.status === 201 ? 200 : 404);
    }
  });

  test('writing to a session and cancelling it: it is gone, and nobody failed', async () => {
    const client = stage.client();
    for (let round = 0; round < 5; round += 1) {
      const location = await openUpload(client);
      const body = seededBytes(300_000, round);
      const [patched, cancelled] = await Promise.all([
        send(client, 'PATCH', location, { body }),
        send(client, 'DELETE', location),
      ]);
      expect([202, 400, 404, 409, 416]).toContain(patched.status);
      expect([204, 400, 404, 409, 416]).toContain(cancelled.status);
      if (cancelled.status !== 204) expect((await send(client, 'DELETE', location)).status).toBe(204);
      expect((await send(client, 'GET', location)).status).toBe(404);
    }
  });

  test('pushing a blob and pulling it through from an upstream that is slow: both get it', async () => {
    const client = stage.client();
    const bytes = seededBytes(400_000, 'slow');
    const digest = origin.addBlob(bytes);
    origin.fault({ path: `/blobs/${digest}` }, { kind: 'slow', bytesPerSecond: 1_000_000 });
    const proxied = at(client, 'docker.io/library/slow');
    const pulling = expectBlob(proxied, bytes);
    await origin.waitForRequests({ path: `/blobs/${digest}` });
    expect(await pushBlob(client, bytes)).toBe(digest);
    await expectBlob(client, bytes);
    await pulling;
    origin.clearFaults();
    await expectBlob(proxied, bytes);
  });
});

test('what is hosted stays when the same content of an upstream is purged', async () => {
  const client = stage.client();
  const proxied = at(client, 'docker.io/library/shared');
  const image = buildImage(origin, 'library/shared', 'v1', { seed: 77 });
  await expectPullable(proxied, image);
  await ship(client, (target) => buildImage(target, '', 'v1', { seed: 77 }));
  await administer(stage.server, 'POST', '/purge', { upstream: 'docker.io' });
  await collectGarbage();
  origin.resetCounts();
  await expectPullable(client, image);
  expect(origin.requests).toEqual([]);
});
