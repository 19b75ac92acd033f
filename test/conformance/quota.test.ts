import { describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { startHosted, type TestHosted } from '../support/hosted.ts';
import { startOrigin } from '../support/origin.ts';
import { diskUsage } from '../e2e/support/disk-usage.ts';
import { expectBlob, expectError, expectGone, expectManifest } from './support/expect.ts';
import { imageManifest, MANIFEST } from './support/manifests.ts';
import { closing, locationOf, openUpload, pushBlob, pushManifest } from './support/push.ts';
import { type Answer, type Client, send } from './support/send.ts';
import { at } from './support/stage.ts';

const MIB = 1024 * 1024;
const QUOTA = 8 * MIB;
const SLOW = { timeout: 60_000 };
const REFUSALS = ['DENIED', 'SIZE_INVALID'] as const;

function clientOf(server: TestHosted): Client {
  return { url: server.registryUrl, user: 'ci', repository: 'local/app' };
}

/** Sent by and by, so that nobody knows how long it will be. */
async function* streamed(bytes: Uint8Array) {
  for (let offset = 0; offset < bytes.length; offset += 65_536) yield bytes.subarray(offset, offset + 65_536);
}

function expectFull(answer: Answer): void {
  const [error] = expectError(answer, [403, 413], REFUSALS);
  expect(error?.message).toMatch(/quota|space|full|room/i);
}

describe('a push of more than the quota has room for', SLOW, () => {
  test('is refused before the disk is full, however it is sent, and nothing that was there is lost', async () => {
    await using server = await startHosted({ config: { storage: { quota: QUOTA } } });
    const client = clientOf(server);
    const kept = seededBytes(3 * MIB, 'kept');
    await pushBlob(client, kept);
    const image = await imageManifest(client);
    await pushManifest(client, 'v1', image);
    const large = seededBytes(10 * MIB, 'large');
    const digest = sha256(large);
    expectFull(await send(client, 'POST', `blobs/uploads/?digest=${digest}`, { body: large }));
    expectFull(await send(client, 'PUT', closing(await openUpload(client), digest), { body: large }));
    expectFull(await send(client, 'PATCH', await openUpload(client), { body: large }));
    expectFull(await send(client, 'PATCH', await openUpload(client), { body: streamed(large) }));
    expectFull(await send(client, 'POST', `blobs/uploads/?digest=${digest}`, { body: streamed(large) }));
    expect(diskUsage(server.path).bytes).toBeLessThanOrEqual(QUOTA);
    await expectGone(client, `blobs/${digest}`);
    await expectBlob(client, kept);
    await expectManifest(client, image, MANIFEST, 'v1');
  });

  test('in pieces ends when there is no room left, and a smaller one still fits', async () => {
    await using server = await startHosted({ config: { storage: { quota: QUOTA } } });
    const client = clientOf(server);
    let location = await openUpload(client);
    let refused: Answer | undefined;
    let taken = 0;
    for (; !refused && taken < 16; taken += 1) {
      const answer = await send(client, 'PATCH', location, { body: seededBytes(MIB, taken) });
      if (answer.status === 202) location = locationOf(answer, 202);
      else refused = answer;
    }
    if (!refused) throw new Error('nothing was refused');
    expectFull(refused);
    expect(taken).toBeGreaterThan(3);
    expect(diskUsage(server.path).bytes).toBeLessThanOrEqual(QUOTA);
    expect((await send(client, 'DELETE', location)).status).toBe(204);
    const smaller = seededBytes(3 * MIB, 'smaller');
    await pushBlob(client, smaller);
    await expectBlob(client, smaller);
  });

  test('of eight at once refuses some, whole or not at all, and the rest is there', async () => {
    await using server = await startHosted({ config: { storage: { quota: QUOTA } } });
    const client = clientOf(server);
    const blobs = Array.from({ length: 8 }, (_, n) => seededBytes(2 * MIB, `at once ${n}`));
    const answers = await Promise.all(
      blobs.map((body) => send(client, 'POST', `blobs/uploads/?digest=${sha256(body)}`, { body })),
    );
    for (const [n, answer] of answers.entries()) {
      const bytes = blobs[n] ?? Buffer.alloc(0);
      if (answer.status === 201) await expectBlob(client, bytes);
      else {
        expectFull(answer);
        await expectGone(client, `blobs/${sha256(bytes)}`);
      }
    }
    const stored = answers.filter(({ status }) => status === 201).length;
    expect(stored).toBeGreaterThanOrEqual(1);
    expect(stored).toBeLessThan(4);
    expect(diskUsage(server.path).bytes).toBeLessThanOrEqual(QUOTA);
  });
});

test('what is hosted is not evicted for what is pulled, nor is it for what is pushed', SLOW, async () => {
  await using origin = await startOrigin();
  await using server = await startHosted({ origin, config: { storage: { quota: QUOTA } } });
  const client = clientOf(server);
  const image = await imageManifest(client);
  await pushManifest(client, 'v1', image);
  const own = seededBytes(2 * MIB, 'own');
  await pushBlob(client, own);
  const proxied = at(client, 'docker.io/library/app');
  for (let n = 0; n < 5; n += 1) {
    const bytes = seededBytes(2 * MIB, `pulled ${n}`);
    origin.addBlob(bytes);
    await expectBlob(proxied, bytes);
  }
  await expectManifest(client, image, MANIFEST, 'v1');
  await expectBlob(client, own);
  // What was pulled makes room for what is pushed.
  const more = seededBytes(3 * MIB, 'more');
  await pushBlob(client, more);
  for (const bytes of [own, more]) await expectBlob(client, bytes);
  for (const { digest } of [image.config, ...image.layers]) {
    expect((await send(client, 'GET', `blobs/${digest}`)).status).toBe(200);
  }
  expect(diskUsage(server.path).bytes).toBeLessThanOrEqual(QUOTA);
});
