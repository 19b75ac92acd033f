import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes } from '../support/bytes.ts';
import { expectContent, expectError, expectGone } from './support/expect.ts';
import { pushBlob } from './support/push.ts';
import { send } from './support/send.ts';
import { at, atMirror, setStage } from './support/stage.ts';

const stage = setStage();
const SIZE = 2048;

describe.each(['sha256', 'sha512'] as const)('end-2, a blob by %s', (algorithm) => {
  test('comes whole by GET, and by HEAD with the same headers', async () => {
    const client = stage.client();
    for (const bytes of [seededBytes(SIZE, algorithm), Buffer.from('{}'), Buffer.alloc(0)]) {
      const digest = await pushBlob(client, bytes, algorithm);
      const got = await send(client, 'GET', `blobs/${digest}`);
      expectContent(got, digest, undefined, bytes);
      expect(got.headers['accept-ranges']).toBe('bytes');
      const head = await send(client, 'HEAD', `blobs/${digest}`);
      expect(head.status).toBe(200);
      expect(head.body.length).toBe(0);
      for (const name of ['content-length', 'content-type', 'docker-content-digest', 'accept-ranges']) {
        expect(head.headers[name], name).toBe(got.headers[name]);
      }
      expectContent(await send(atMirror(stage, client), 'GET', `blobs/${digest}`), digest, undefined, bytes);
    }
  });

  test.each([
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, SIZE - 1],
    ['bytes=-500', SIZE - 500, SIZE - 1],
    ['bytes=2000-5000', 2000, SIZE - 1],
    ['bytes=0-0', 0, 0],
  ])('comes in part, %s', async (Range, first, last) => {
    const client = stage.client();
    const bytes = seededBytes(SIZE, algorithm);
    const digest = await pushBlob(client, bytes, algorithm);
    const part = await send(client, 'GET', `blobs/${digest}`, { headers: { Range } });
    expect(part.status).toBe(206);
    expect(part.headers['content-range']).toBe(`bytes ${first}-${last}/${SIZE}`);
    expect(part.headers['content-length']).toBe(String(last - first + 1));
    expect(part.body.equals(bytes.subarray(first, last + 1))).toBe(true);
  });

  test.each(['bytes=500-0', 'bytes=5000-10000', `bytes=${SIZE}-`])('is 416 for %s', async (Range) => {
    const client = stage.client();
    const digest = await pushBlob(client, seededBytes(SIZE, algorithm), algorithm);
    const refused = await send(client, 'GET', `blobs/${digest}`, { headers: { Range } });
    expect(refused.status).toBe(416);
    expect(refused.headers['content-range']).toBe(`bytes */${SIZE}`);
  });

  test('is 404 in a repository that it was not pushed to', async () => {
    const client = stage.client();
    const digest = await pushBlob(client, seededBytes(SIZE, algorithm), algorithm);
    await expectGone(at(client, `${client.repository}/below`), `blobs/${digest}`);
    await expectGone(client, `blobs/${digestOf(seededBytes(SIZE, 'never pushed'), algorithm)}`);
  });
});

test('end-2, a blob by a digest of a wrong form is 400', async () => {
  const client = stage.client();
  for (const digest of ['sha256:baddigeststring', `md5:${'a'.repeat(32)}`, `sha256:${'A'.repeat(64)}`, 'sha256:']) {
    expectError(await send(client, 'GET', `blobs/${digest}`), [400, 404], ['DIGEST_INVALID', 'UNSUPPORTED']);
    expect([400, 404]).toContain((await send(client, 'HEAD', `blobs/${digest}`)).status);
  }
});
