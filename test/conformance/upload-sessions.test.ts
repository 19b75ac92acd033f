import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { expectCreated, expectError, expectNoUpload, expectUpload } from './support/expect.ts';
import { closing, locationOf, openUpload } from './support/push.ts';
import { authorizationOf, type Client, send } from './support/send.ts';
import { asUser, at, setStage } from './support/stage.ts';

const stage = setStage();
const BYTES = seededBytes(200_000, 'a session');
const DIGEST = sha256(BYTES);
const [FIRST, SECOND] = [BYTES.subarray(0, 80_000), BYTES.subarray(80_000)];
const ALL = `0-${BYTES.length - 1}`;

/** A client that is in the middle of a PATCH. */
interface Halfway {
  /** Sends the rest and waits for the answer's status. */
  finish(rest: Uint8Array): Promise<number>;
  leave(): void;
}

async function patchHalfway(client: Client, location: string, first: Uint8Array): Promise<Halfway> {
  const { hostname, port } = new URL(client.url);
  const headers = { ...authorizationOf(client), 'Content-Length': BYTES.length, 'Content-Range': ALL };
  const outgoing = request({ hostname, port, path: location, method: 'PATCH', headers, agent: false });
  const answered = new Promise<number>((resolve) => {
    outgoing.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    outgoing.on('error', () => resolve(0));
  });
  await new Promise((resolve) => void outgoing.write(first, resolve));
  return {
    finish: (rest) => {
      outgoing.end(rest);
      return answered;
    },
    leave: () => void outgoing.destroy(),
  };
}

/** How much has arrived, when whoever sent it has left. */
async function arrivedBytes(client: Client, location: string): Promise<number> {
  const answer = await send(client, 'GET', location);
  expect(answer.status).toBe(204);
  const last = Number(/^0-(\d+)$/.exec(String(answer.headers['range']))?.[1]);
  return last === 0 ? 0 : last + 1;
}

describe('a session', () => {
  test('belongs to its repository and to who opened it', async () => {
    const client = stage.client();
    const elsewhere = `${client.repository}/below`;
    const location = locationOf(await send(client, 'PATCH', await openUpload(client), { body: FIRST }), 202);
    const moved = location.replace(client.repository, elsewhere);
    for (const [other, path] of [
      [at(client, elsewhere), moved],
      [asUser(client, 'dave'), location],
      [asUser(at(client, elsewhere), 'dave'), moved],
    ] as const) {
      await expectNoUpload(other, path);
      for (const method of ['PATCH', 'PUT', 'DELETE']) {
        const answer = await send(other, method, closing(path, DIGEST), method === 'DELETE' ? {} : { body: SECOND });
        expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN');
      }
    }
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      expectError(await send(asUser(client, 'rita'), method, closing(location, DIGEST)), 403, 'DENIED');
      expectError(await send(asUser(client, undefined), method, closing(location, DIGEST)), 401, 'UNAUTHORIZED');
    }
    await expectUpload(client, location, FIRST.length);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST), { body: SECOND }), BYTES);
  });

  test('that two clients write to at once takes from one of them', async () => {
    const client = stage.client();
    const location = await openUpload(client);
    const slow = await patchHalfway(client, location, FIRST);
    const quick = send(client, 'PATCH', location, { body: BYTES, headers: { 'Content-Range': ALL } });
    const statuses = [await slow.finish(SECOND), (await quick).status];
    expect(statuses).toContain(202);
    for (const status of statuses) expect([202, 400, 409, 416, 423]).toContain(status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(1);
    await expectUpload(client, location, BYTES.length);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST)), BYTES);
  });

  test('that two clients close at once is closed by one, and the blob is whole', async () => {
    const client = stage.client();
    const location = locationOf(await send(client, 'PATCH', await openUpload(client), { body: BYTES }), 202);
    const close = () => send(client, 'PUT', closing(location, DIGEST));
    const answers = await Promise.all([close(), close(), close()]);
    const created = answers.find(({ status }) => status === 201);
    for (const answer of answers) expect([201, 400, 404, 409, 416]).toContain(answer.status);
    if (!created) throw new Error('nobody closed it');
    await expectCreated(client, created, BYTES);
  });

  test('whose client leaves in the middle of a PATCH tells what arrived, and goes on from there', async () => {
    const client = stage.client();
    const location = await openUpload(client);
    (await patchHalfway(client, location, FIRST)).leave();
    let first = 0;
    // Until the server has noticed it may say that someone is writing.
    await expect
      .poll(
        async () => {
          first = await arrivedBytes(client, location);
          const headers = { 'Content-Range': `${first}-${BYTES.length - 1}` };
          return (await send(client, 'PATCH', location, { headers, body: BYTES.subarray(first) })).status;
        },
        { timeout: 10_000 },
      )
      .toBe(202);
    expect(first).toBeLessThanOrEqual(FIRST.length);
    await expectCreated(client, await send(client, 'PUT', closing(location, DIGEST)), BYTES);
  });

  test('whose PUT breaks off is still there', async () => {
    const client = stage.client();
    const location = locationOf(await send(client, 'PATCH', await openUpload(client), { body: FIRST }), 202);
    const { hostname, port } = new URL(client.url);
    const headers = { ...authorizationOf(client), 'Content-Length': SECOND.length };
    const path = closing(location, DIGEST);
    const outgoing = request({ hostname, port, path, method: 'PUT', headers, agent: false });
    outgoing.on('error', () => undefined);
    await new Promise((resolve) => void outgoing.write(SECOND.subarray(0, 10_000), resolve));
    outgoing.destroy();
    let first = 0;
    await expect
      .poll(
        async () => {
          first = await arrivedBytes(client, location);
          const range = { 'Content-Range': `${first}-${BYTES.length - 1}` };
          return (await send(client, 'PUT', path, { headers: range, body: BYTES.subarray(first) })).status;
        },
        { timeout: 10_000 },
      )
      .toBe(201);
    expect(first).toBeGreaterThanOrEqual(FIRST.length);
    expect((await send(client, 'HEAD', `blobs/${DIGEST}`)).headers['content-length']).toBe(String(BYTES.length));
  });
});
