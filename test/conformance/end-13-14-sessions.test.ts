import { describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { expectCreated, expectError, expectGone, expectNoUpload, expectUpload } from './support/expect.ts';
import { closing, locationOf, openUpload } from './support/push.ts';
import { send } from './support/send.ts';
import { setStage } from './support/stage.ts';

const stage = setStage();
const BYTES = seededBytes(200_000, 'a session');
const DIGEST = sha256(BYTES);
const [FIRST, SECOND] = [BYTES.subarray(0, 80_000), BYTES.subarray(80_000)];

describe('end-13, GET of a session', () => {
  test('tells where to go on, before and after bytes came', async () => {
    const client = stage.client();
    let location = await expectUpload(client, await openUpload(client), 0);
    locationOf(await send(client, 'PATCH', location, { body: FIRST }), 202);
    location = await expectUpload(client, location, FIRST.length);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST), { body: SECOND }), BYTES);
  });

  test('is 404 for a session that there never was', async () => {
    const client = stage.client();
    const own = await openUpload(client);
    for (const id of ['0'.repeat(32), crypto.randomUUID(), 'x', '%2e%2e%2f', 'a'.repeat(300)]) {
      const location = own.replace(/[^/]+$/, id);
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await send(client, method, location);
        expectError(answer, [400, 404], ['BLOB_UPLOAD_UNKNOWN', 'NAME_INVALID', 'NAME_UNKNOWN', 'UNSUPPORTED']);
      }
    }
    await expectUpload(client, own, 0);
  });

  test('goes on after a restart of the server', async () => {
    const client = stage.client();
    const location = locationOf(await send(client, 'PATCH', await openUpload(client), { body: FIRST }), 202);
    await stage.server.restart();
    const now = await expectUpload(client, location, FIRST.length);
    const headers = { 'Content-Range': `${FIRST.length}-${BYTES.length - 1}` };
    const patched = await send(client, 'PATCH', now, { headers, body: SECOND });
    await stage.server.restart();
    await expectCreated(client, await send(client, 'PUT', closing(locationOf(patched, 202), DIGEST)), BYTES);
    await stage.server.restart();
    await expectNoUpload(client, location);
    expect((await send(client, 'HEAD', `blobs/${DIGEST}`)).status).toBe(200);
  });
});

describe('end-14, DELETE of a session', () => {
  test('ends it, and its bytes are no blob', async () => {
    const client = stage.client();
    const location = locationOf(await send(client, 'PATCH', await openUpload(client), { body: BYTES }), 202);
    const answer = await send(client, 'DELETE', location);
    expect(answer.status).toBe(204);
    await expectNoUpload(client, location);
    expectError(await send(client, 'PATCH', location, { body: BYTES }), 404, 'BLOB_UPLOAD_UNKNOWN');
    expectError(await send(client, 'PUT', closing(location, DIGEST)), 404, 'BLOB_UPLOAD_UNKNOWN');
    expectError(await send(client, 'DELETE', location), 404, 'BLOB_UPLOAD_UNKNOWN');
    await expectGone(client, `blobs/${DIGEST}`);
  });
});
