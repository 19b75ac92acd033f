import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes, sha256 } from '../support/bytes.ts';
import { expectBlob, expectCreated, expectError, expectGone, expectNoUpload, expectUpload } from './support/expect.ts';
import { closing, locationOf, openUpload } from './support/push.ts';
import { send } from './support/send.ts';
import { setStage } from './support/stage.ts';

const stage = setStage();
const BYTES = seededBytes(100_000, 'an upload');
const KINDS = [
  { name: 'a few bytes', bytes: BYTES.subarray(0, 512) },
  { name: 'many bytes', bytes: BYTES },
  { name: 'no bytes', bytes: Buffer.alloc(0) },
  { name: 'the empty JSON', bytes: Buffer.from('{}') },
];

describe.each(['sha256', 'sha512'] as const)('by %s', (algorithm) => {
  test.each(KINDS)('end-4b, POST with ?digest= takes $name at once', async ({ bytes }) => {
    const client = stage.client();
    const digest = digestOf(bytes, algorithm);
    const answer = await send(client, 'POST', `blobs/uploads/?digest=${digest}`, { body: bytes });
    await expectCreated(client, answer, bytes, { digest });
    await expectBlob(client, bytes, digest);
  });

  test.each(KINDS)('end-4a and end-6, POST and then PUT take $name', async ({ bytes }) => {
    const client = stage.client();
    const digest = digestOf(bytes, algorithm);
    const answer = await send(client, 'POST', 'blobs/uploads/');
    const location = locationOf(answer, 202);
    expect(answer.headers['range']).toBe('0-0');
    expect(answer.headers['docker-upload-uuid']).toMatch(/^[0-9a-f-]{32,}$/);
    expect(answer.headers['oci-chunk-min-length'] ?? '0').toMatch(/^\d+$/);
    expect(answer.body.length).toBe(0);
    await expectCreated(client, await send(client, 'PUT', closing(location, digest), { body: bytes }), bytes, {
      digest,
    });
    await expectNoUpload(client, location);
  });

  test('end-4c, POST with ?digest-algorithm= opens a session like any other', async () => {
    const client = stage.client();
    const location = await openUpload(client, `?digest-algorithm=${algorithm}`);
    const digest = digestOf(BYTES, algorithm);
    await expectCreated(client, await send(client, 'PUT', closing(location, digest), { body: BYTES }), BYTES, {
      digest,
    });
  });

  test('end-6, the digest that counts is the one of the PUT, whatever was announced', async () => {
    const client = stage.client();
    const other = algorithm === 'sha256' ? 'sha512' : 'sha256';
    const location = await openUpload(client, `?digest-algorithm=${other}`);
    const digest = digestOf(BYTES, algorithm);
    await send(client, 'PATCH', location, { body: BYTES });
    await expectCreated(client, await send(client, 'PUT', closing(location, digest)), BYTES, { digest });
  });

  test('end-4b and end-6, content of another digest is 400 and is not kept', async () => {
    const client = stage.client();
    const digest = digestOf(BYTES, algorithm);
    const wrong = Buffer.concat([BYTES, Buffer.from('oh no')]);
    const at = `blobs/uploads/?digest=${digest}`;
    expectError(await send(client, 'POST', at, { body: wrong }), 400, 'DIGEST_INVALID');
    const location = await openUpload(client);
    expectError(await send(client, 'PUT', closing(location, digest), { body: wrong }), 400, 'DIGEST_INVALID');
    const streamed = await openUpload(client);
    await send(client, 'PATCH', streamed, { body: wrong });
    expectError(await send(client, 'PUT', closing(streamed, digest)), 400, 'DIGEST_INVALID');
    await expectGone(client, `blobs/${digest}`);
    await expectGone(client, `blobs/${digestOf(wrong, algorithm)}`);
    await expectCreated(client, await send(client, 'POST', at, { body: BYTES }), BYTES, { digest });
  });
});

describe('a digest that is none', () => {
  const BAD = ['sha256:baddigeststring', `md5:${'a'.repeat(32)}`, 'nothing', '', `sha256:${'A'.repeat(64)}`];

  test.each(BAD)('end-4b, "%s" is 400', async (digest) => {
    const answer = await send(stage.client(), 'POST', `blobs/uploads/?digest=${digest}`, { body: BYTES });
    expectError(answer, 400, ['DIGEST_INVALID', 'UNSUPPORTED']);
  });

  test.each(BAD)('end-6, "%s" is 400 and the session goes on', async (digest) => {
    const client = stage.client();
    const location = await openUpload(client);
    locationOf(await send(client, 'PATCH', location, { body: BYTES }), 202);
    expectError(await send(client, 'PUT', closing(location, digest)), 400, ['DIGEST_INVALID', 'UNSUPPORTED']);
    expectError(await send(client, 'PUT', location), 400, 'DIGEST_INVALID');
    await expectUpload(client, location, BYTES.length);
    await expectCreated(client, await send(client, 'PUT', closing(location, sha256(BYTES))), BYTES);
  });

  test('end-4c, an algorithm that is none is 400', async () => {
    const answer = await send(stage.client(), 'POST', 'blobs/uploads/?digest-algorithm=md5');
    expectError(answer, 400, ['DIGEST_INVALID', 'UNSUPPORTED']);
  });
});

test('end-4a, the same blob again, and twice at once, is taken again and is there once', async () => {
  const client = stage.client();
  const digest = sha256(BYTES);
  const again = Array.from({ length: 4 }, () =>
    send(client, 'POST', `blobs/uploads/?digest=${digest}`, { body: BYTES }),
  );
  for (const answer of await Promise.all(again)) await expectCreated(client, answer, BYTES);
  await expectCreated(client, await send(client, 'POST', `blobs/uploads/?digest=${digest}`, { body: BYTES }), BYTES);
});

test('end-4a, uploads cannot be listed, nor opened where no repository can be', async () => {
  const client = stage.client();
  expectError(await send(client, 'GET', 'blobs/uploads/'), [400, 404, 405]);
  for (const repository of ['nowhere/app', 'local', 'local/UPPER']) {
    const answer = await send(client, 'POST', `/v2/${repository}/blobs/uploads/`);
    expectError(answer, [400, 403, 404], ['NAME_UNKNOWN', 'NAME_INVALID', 'DENIED', 'UNSUPPORTED']);
  }
});
