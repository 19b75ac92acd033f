import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes, sha256 } from '../support/bytes.ts';
import { expectBlob, expectCreated, expectError, expectNoUpload, expectUpload } from './support/expect.ts';
import { closing, locationOf, openUpload } from './support/push.ts';
import { type Client, send } from './support/send.ts';
import { setStage } from './support/stage.ts';

const stage = setStage();
const SIZE = 3067;
const BYTES = seededBytes(SIZE, 'chunks');
const DIGEST = sha256(BYTES);
const CHUNK = 1024;

function sendChunk(client: Client, method: 'PATCH' | 'PUT', location: string, first: number, last: number) {
  const headers = { 'Content-Range': `${first}-${last}`, 'Content-Type': 'application/octet-stream' };
  return send(client, method, location, { headers, body: BYTES.subarray(first, last + 1) });
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

describe('end-5, PATCH with Content-Range', () => {
  test.each(['sha256', 'sha512'] as const)('takes chunks in order, and the PUT closes by %s', async (algorithm) => {
    const client = stage.client();
    let location = await openUpload(client);
    for (let first = 0; first < SIZE; first += CHUNK) {
      const last = Math.min(first + CHUNK, SIZE) - 1;
      const answer = await sendChunk(client, 'PATCH', location, first, last);
      location = locationOf(answer, 202);
      expect(answer.headers['range']).toBe(`0-${last}`);
      location = await expectUpload(client, location, last + 1);
    }
    const digest = digestOf(BYTES, algorithm);
    await expectCreated(client, await send(client, 'PUT', closing(location, digest)), BYTES, { digest });
    await expectNoUpload(client, location);
  });

  test('takes the last chunk in the PUT', async () => {
    const client = stage.client();
    const location = locationOf(await sendChunk(client, 'PATCH', await openUpload(client), 0, CHUNK - 1), 202);
    const end = await sendChunk(client, 'PUT', closing(location, DIGEST), CHUNK, SIZE - 1);
    await expectCreated(client, end, BYTES);
  });

  test('takes all in one chunk', async () => {
    const client = stage.client();
    const location = locationOf(await sendChunk(client, 'PATCH', await openUpload(client), 0, SIZE - 1), 202);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST)), BYTES);
  });

  test('is 416 out of order, as the first, a middle and a repeated chunk, and the session goes on', async () => {
    const client = stage.client();
    let location = await openUpload(client);
    expect((await sendChunk(client, 'PATCH', location, CHUNK, 2 * CHUNK - 1)).status).toBe(416);
    location = await expectUpload(client, location, 0);
    location = locationOf(await sendChunk(client, 'PATCH', location, 0, CHUNK - 1), 202);
    for (const first of [0, CHUNK - 1, CHUNK + 1, 2 * CHUNK]) {
      const refused = await sendChunk(client, 'PATCH', location, first, Math.min(first + CHUNK, SIZE) - 1);
      expectError(refused, 416);
      location = await expectUpload(client, location, CHUNK);
    }
    location = locationOf(await sendChunk(client, 'PATCH', location, CHUNK, SIZE - 1), 202);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST)), BYTES);
  });

  test('is 416 for a last chunk out of order in the PUT, whose URL still tells the state', async () => {
    const client = stage.client();
    const location = locationOf(await sendChunk(client, 'PATCH', await openUpload(client), 0, CHUNK - 1), 202);
    const end = closing(location, DIGEST);
    for (const first of [0, 2 * CHUNK]) {
      expectError(await sendChunk(client, 'PUT', end, first, SIZE - 1), 416);
      await expectUpload(client, end, CHUNK);
    }
    await expectCreated(client, await sendChunk(client, 'PUT', end, CHUNK, SIZE - 1), BYTES);
  });

  test.each(['bytes', '5', '-5', '0-', 'a-b', '0-1-2', '5-3', '99999999999999999999-99999999999999999999'])(
    'is refused with Content-Range %s, and the session goes on',
    async (range) => {
      const client = stage.client();
      const location = await openUpload(client);
      const headers = { 'Content-Range': range };
      expectError(await send(client, 'PATCH', location, { headers, body: BYTES }), [400, 416]);
      await expectUpload(client, location, 0);
      await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST), { body: BYTES }), BYTES);
    },
  );

  test('is refused when the body has another length, and nothing of it counts', async () => {
    const client = stage.client();
    const location = await openUpload(client);
    for (const range of ['0-9', `0-${SIZE}`]) {
      const headers = { 'Content-Range': range };
      expectError(await send(client, 'PATCH', location, { headers, body: BYTES }), [400, 416]);
      await expectUpload(client, location, 0);
    }
    locationOf(await sendChunk(client, 'PATCH', location, 0, SIZE - 1), 202);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST)), BYTES);
  });
});

describe('end-5, PATCH without Content-Range', () => {
  test('takes a stream of unknown length', async () => {
    const client = stage.client();
    const bytes = seededBytes(700_000, 'a stream');
    const answer = await send(client, 'PATCH', await openUpload(client), { body: pieces(bytes, 10_000) });
    const location = locationOf(answer, 202);
    expect(answer.headers['range']).toBe(`0-${bytes.length - 1}`);
    const digest = sha256(bytes);
    await expectCreated(client, await send(client, 'PUT', closing(location, digest)), bytes);
    await expectBlob(client, bytes);
  });

  test('takes no bytes at all, and then more, each after what there is', async () => {
    const client = stage.client();
    let location = await openUpload(client);
    location = locationOf(await send(client, 'PATCH', location, { body: '' }), 202);
    location = await expectUpload(client, location, 0);
    for await (const body of pieces(BYTES, CHUNK)) {
      location = locationOf(await send(client, 'PATCH', location, { body }), 202);
    }
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST)), BYTES);
  });
});
