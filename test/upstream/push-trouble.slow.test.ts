import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes } from '../support/bytes.ts';
import { Listener } from '../support/listener.ts';
import { connectPeer, TestBlob } from './support/connect-peer.ts';
import { startPushRegistry } from './support/push-registry.ts';

const MIB = 1024 * 1024;
const UPLOAD = /uploads\/./;
const SHORT = { connectMs: 5000, headersMs: 300, stallMs: 300 };
/** Far more than the buffers of two sockets hold. */
const LARGE = 48 * MIB;

describe('an answer that comes before the body is through', () => {
  test.each([
    [413, 'REFUSED', 'SIZE_INVALID'],
    [403, 'DENIED', 'DENIED'],
    [507, 'REFUSED', undefined],
  ])('%i is used, and no more is read', async (status, code, reason) => {
    await using registry = await startPushRegistry();
    const body =
      reason === undefined ? '' : JSON.stringify({ errors: [{ code: reason, message: 'that is too much' }] });
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'answer', status, body, afterBytes: MIB });
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(LARGE, 1));
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code, status, reason });
    await expect.poll(() => blob.openReads).toBe(0);
    expect(blob.sentBytes).toBeLessThan(LARGE);
    await peer.ping();
  });

  test('401 of a token that has run out is no end: the body is sent again with a new one', async () => {
    const users = { ci: 'secret' };
    await using registry = await startPushRegistry({ auth: { type: 'bearer', users } });
    const credentials = { type: 'basic', username: 'ci', password: new Secret('secret') } as const;
    await using peer = connectPeer(registry.url, { credentials });
    const blob = new TestBlob(seededBytes(8 * MIB, 1));
    blob.watch = { session: () => registry.tokens?.expire() };
    await peer.pushBlob('team/app', blob);
    expect(registry.requests.map(({ method, url, status }) => `${method} ${url.split(/[?-]/)[0]} ${status}`)).toEqual([
      'POST /v2/team/app/blobs/uploads/ 401',
      expect.stringMatching(/^GET \/token 200/),
      'POST /v2/team/app/blobs/uploads/ 202',
      expect.stringMatching(/^PUT .* 401/),
      'GET /v2/ 401',
      expect.stringMatching(/^GET \/token 200/),
      expect.stringMatching(/^PUT .* 201/),
    ]);
    expect(registry.blobs.size).toBe(1);
  });
});

test('a registry may take the longer over the end of an upload the larger the blob is', async () => {
  let puts = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    for await (const _ of request) continue;
    const location = '/v2/team/app/blobs/uploads/1';
    if (request.method === 'POST') response.writeHead(202, { location }).end();
    else if (request.method === 'GET') response.writeHead(204, { location, range: `0-${LARGE - 1}` }).end();
    else {
      puts += 1;
      await sleep(1000);
      response.writeHead(201).end();
    }
  };
  await using registry = await Listener.start((request, response) => void answer(request, response));
  await using peer = connectPeer(registry.url, { timeouts: SHORT });
  const blob = new TestBlob(seededBytes(LARGE, 1));
  await peer.pushBlob('team/app', blob);
  await peer.pushBlob('team/app', blob);
  expect(puts).toBe(2);
  expect(blob.sentBytes).toBe(LARGE);
});

describe('a registry that falls silent', () => {
  test('in the middle of a body is a TIMEOUT', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'stall', afterBytes: MIB });
    await using peer = connectPeer(registry.url, { timeouts: SHORT });
    const blob = new TestBlob(seededBytes(LARGE, 1));
    const failed = peer.pushBlob('team/app', blob);
    await expect(failed).rejects.toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('taking bytes') });
    await expect.poll(() => blob.openReads).toBe(0);
    expect(blob.session).toBe(blob.sessions[0]);
  });

  test('behind a body is a TIMEOUT', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'stall', afterBytes: 8 * MIB });
    await using peer = connectPeer(registry.url, { timeouts: SHORT });
    const failed = peer.pushBlob('team/app', new TestBlob(seededBytes(8 * MIB, 1)));
    await expect(failed).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('does not answer'),
    });
  });

  test('to a small request is a TIMEOUT', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'POST' }, { kind: 'stall', afterBytes: 0 });
    await using peer = connectPeer(registry.url, { timeouts: SHORT });
    const failed = peer.pushBlob('team/app', new TestBlob(seededBytes(10, 1)));
    await expect(failed).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('what takes its time here is no stall', () => {
  test('a slow source', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url, { timeouts: { ...SHORT, stallMs: 100, headersMs: 5000 } });
    const blob = new TestBlob(seededBytes(2 * MIB, 1));
    const slow = Object.assign(Object.create(blob) as TestBlob, {
      read: async function* (startBytes: number) {
        for await (const chunk of blob.read(startBytes)) {
          await new Promise((resolve) => void setTimeout(resolve, 300));
          yield chunk;
        }
      },
    });
    await peer.pushBlob('team/app', slow);
    expect(registry.blobs.size).toBe(1);
  });

  test('a slow pace', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url, { timeouts: { ...SHORT, stallMs: 100, headersMs: 5000 } });
    const pace = { take: (bytes: number) => new Promise<void>((resolve) => void setTimeout(resolve, bytes / 300)) };
    await peer.pushBlob('team/app', new TestBlob(seededBytes(200 * 1024, 1)), { pace });
    expect(registry.blobs.size).toBe(1);
  });
});

describe('a push that is given up', () => {
  test('ends at once, and reads no more', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'stall', afterBytes: MIB });
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(LARGE, 1));
    const caller = new AbortController();
    const failed = peer.pushBlob('team/app', blob, { signal: caller.signal });
    await expect.poll(() => blob.sentBytes).toBeGreaterThan(MIB);
    caller.abort(new Error('enough'));
    await expect(failed).rejects.toMatchObject({ code: 'TIMEOUT', cause: { message: 'enough' } });
    await expect.poll(() => blob.openReads).toBe(0);
    expect(blob.session).toBe(blob.sessions[0]);
  });

  test('while its pace holds it back ends at once', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(8 * MIB, 1));
    const caller = new AbortController();
    let left = 300_000;
    const pace = {
      take: (bytes: number, signal?: AbortSignal) => {
        left -= bytes;
        return new Promise<void>((resolve) => {
          if (left > 0) resolve();
          else signal?.addEventListener('abort', () => resolve());
        });
      },
    };
    const failed = peer.pushBlob('team/app', blob, { signal: caller.signal, pace });
    await expect.poll(() => left).toBeLessThan(0);
    caller.abort();
    await expect(failed).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect.poll(() => blob.openReads).toBe(0);
  });
});

describe('what reading a blob throws', () => {
  test('comes through as it is', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(8 * MIB, 1));
    const broken = new RangeError('the disk is gone');
    const failing = Object.assign(Object.create(blob) as TestBlob, {
      read: async function* () {
        yield blob.bytes.subarray(0, MIB);
        throw broken;
      },
    });
    await expect(peer.pushBlob('team/app', failing)).rejects.toBe(broken);
    expect(failing.session).toBe(blob.sessions[0]);
  });

  test('is INVALID when there is less than there should be', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(8 * MIB, 1));
    const short = Object.assign(Object.create(blob) as TestBlob, {
      read: async function* () {
        yield blob.bytes.subarray(0, MIB);
      },
    });
    await expect(peer.pushBlob('team/app', short)).rejects.toMatchObject({ code: 'INVALID' });
    expect(registry.uploads.size).toBe(0);
  });
});

test.each([
  [429, { 'retry-after': '7' }, { code: 'RATE_LIMITED', retryAfterMs: 7000 }],
  [503, { 'retry-after': '7' }, { code: 'UNAVAILABLE', retryAfterMs: 7000 }],
  [500, {}, { code: 'UNAVAILABLE', reason: 'UNKNOWN', message: expect.stringContaining('500: UNKNOWN: disk on fire') }],
])('%i to a PUT is told as what it is, and not tried again here', async (status, headers, expected) => {
  await using registry = await startPushRegistry();
  const body = JSON.stringify({ errors: [{ code: 'UNKNOWN', message: 'disk on fire' }] });
  registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'answer', status, headers, body, afterBytes: 1 }, 9);
  await using peer = connectPeer(registry.url);
  const blob = new TestBlob(seededBytes(8 * MIB, 1));
  await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ status, ...expected });
  expect(registry.uploadLog).toEqual(['POST 202', `PUT ${status}`]);
  expect(blob.session).toBe(blob.sessions[0]);
});

test('a small request is tried again after trouble that passes', async () => {
  await using registry = await startPushRegistry();
  registry.fail({ method: 'POST' }, { kind: 'reset', afterBytes: 0 });
  registry.fail({ method: 'POST' }, { kind: 'answer', status: 503, afterBytes: 0 });
  await using peer = connectPeer(registry.url);
  await peer.pushBlob('team/app', new TestBlob(seededBytes(10, 1)));
  expect(registry.uploadLog).toEqual(['POST 0', 'POST 503', 'POST 202', 'PUT 201']);
});

test('connections are used again, also after HEAD', async () => {
  await using registry = await startPushRegistry();
  await using peer = connectPeer(registry.url);
  for (let seed = 0; seed < 5; seed++) {
    const blob = new TestBlob(seededBytes(300_000, seed));
    await peer.hasBlob('team/app', blob.digest);
    await peer.pushBlob('team/app', blob);
    await peer.hasBlob('team/app', blob.digest);
  }
  expect(registry.connections).toBeLessThanOrEqual(2);
});
