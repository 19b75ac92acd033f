import { describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { scriptedServer } from './scripted-server.ts';
import { connectPeer, TestBlob } from './support/connect-peer.ts';
import type { PushRegistryOptions } from './support/push-options.ts';
import { type PushRegistry, startPushRegistry } from './support/push-registry.ts';

const MIB = 1024 * 1024;
const UPLOAD = /uploads\/./;
const SIZE = 9 * MIB;
/** Asked twice: what comes by a broken connection may still be on its way. */
const SETTLED = ['GET 204', 'GET 204'];

function largeBlob(): TestBlob {
  return new TestBlob(seededBytes(SIZE, 1));
}

function stored(registry: PushRegistry, { digest }: TestBlob): string {
  return sha256(registry.blobs.get(`team/app ${digest}`) ?? Buffer.alloc(0));
}

/** A registry at which the first push of a blob broke off after so many bytes, as the peer that pushed noticed. */
async function brokenOff(options: PushRegistryOptions = {}, afterBytes = 5 * MIB) {
  const registry = await startPushRegistry(options);
  registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'reset', afterBytes });
  const peer = connectPeer(registry.url);
  const blob = largeBlob();
  await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE', upstream: 'us-east' });
  expect(blob.openReads).toBe(0);
  const before = registry.requests.length;
  const dispose = async () => {
    await peer[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  };
  return {
    registry,
    peer,
    blob,
    /** `METHOD status` since then. */
    log: () => registry.requests.slice(before).map(({ method, status }) => `${method} ${status}`),
    ranges: () => registry.requests.slice(before).flatMap(({ headers }) => headers['content-range'] ?? []),
    [Symbol.asyncDispose]: dispose,
  };
}

describe('a push that broke off', () => {
  test.each<[string, PushRegistryOptions]>([
    ['by the specification', {}],
    ['relative, with a state', { location: 'relative', hasState: true }],
    ['on another host', { location: 'other', hasState: true }],
    ['as Quay does', { range: (size) => `bytes=0-${size}` }],
  ])('goes on where the registry says that it stands (%s)', async (_, options) => {
    await using scene = await brokenOff(options);
    const { blob, peer, registry } = scene;
    await peer.pushBlob('team/app', blob);
    expect(scene.log()).toEqual([...SETTLED, 'PUT 201']);
    expect(scene.ranges()).toEqual([`${5 * MIB}-${SIZE - 1}`]);
    expect(stored(registry, blob)).toBe(blob.digest);
    expect(registry.receivedBytes).toBe(SIZE);
    expect(blob.reads).toEqual([0, 5 * MIB]);
  });

  test('goes on by another process that knows no more than what was kept', async () => {
    await using scene = await brokenOff();
    await using peer = connectPeer(scene.registry.url);
    await peer.pushBlob('team/app', scene.blob);
    expect(scene.registry.receivedBytes).toBe(SIZE);
  });

  test('goes on as often as it has to', async () => {
    await using scene = await brokenOff({}, MIB);
    const { blob, peer, registry } = scene;
    for (let time = 0; time < 3; time++) {
      registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'reset', afterBytes: 2 * MIB });
      await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    }
    await peer.pushBlob('team/app', blob);
    expect(registry.receivedBytes).toBe(SIZE);
    expect(stored(registry, blob)).toBe(blob.digest);
  });

  test('waits until what came is all there', async () => {
    const sizes = [MIB, 3 * MIB, 5 * MIB, 5 * MIB];
    await using scene = await brokenOff({ range: (size) => `0-${(sizes.shift() ?? size) - 1}` });
    sizes.unshift();
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual(['GET 204', 'GET 204', 'GET 204', 'PUT 201']);
    expect(scene.ranges()).toEqual([`${5 * MIB}-${SIZE - 1}`]);
  });

  test('after its last byte only needs its end', async () => {
    await using scene = await brokenOff({}, SIZE);
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual(['GET 204', 'PUT 201']);
    expect(scene.registry.receivedBytes).toBe(SIZE);
  });

  test('before its first byte begins there', async () => {
    await using scene = await brokenOff({}, 0);
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual([...SETTLED, 'PUT 201']);
    expect(scene.ranges()).toEqual([`0-${SIZE - 1}`]);
  });

  test('begins anew where the registry has forgotten it', async () => {
    await using scene = await brokenOff();
    scene.registry.uploads.clear();
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual(['GET 404', 'HEAD 404', 'POST 202', 'PUT 201']);
    expect(scene.blob.sessions[1]).toBe(undefined);
    expect(scene.blob.sessions).toHaveLength(3);
  });

  test.each([400, 403, 405, 416, 500, 501])('begins anew where its state is answered with %i', async (status) => {
    await using scene = await brokenOff();
    scene.registry.fail({ method: 'GET', path: UPLOAD }, { kind: 'answer', status }, 9);
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log().slice(-3)).toEqual(['HEAD 404', 'POST 202', 'PUT 201']);
  });

  test.each([502, 503, 429])('does not begin anew while the registry answers %i', async (status) => {
    await using scene = await brokenOff();
    scene.registry.fail({ method: 'GET', path: UPLOAD }, { kind: 'answer', status }, 9);
    await expect(scene.peer.pushBlob('team/app', scene.blob)).rejects.toMatchObject({ status });
    expect(scene.blob.session).toBe(scene.blob.sessions[0]);
  });

  test('begins anew where the registry has more than there is', async () => {
    await using scene = await brokenOff({ range: () => `0-${SIZE}` });
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual(['GET 204', 'DELETE 204', 'HEAD 404', 'POST 202', 'PUT 201']);
  });

  test.each(['elsewhere', 'http://169.254.169.254/v2/', 'ftp://127.0.0.1/'])(
    'begins anew when what was kept is of no use (%s)',
    async (session) => {
      await using scene = await brokenOff();
      scene.blob.session = session;
      await scene.peer.pushBlob('team/app', scene.blob);
      expect(scene.log()).toEqual(['HEAD 404', 'POST 202', 'PUT 201']);
    },
  );

  test.each([
    ['nobody answers', 'http://127.0.0.1:1'],
    ['somebody else answers', undefined],
  ])('begins anew when it was kept of a host where %s now', async (_, gone) => {
    await using scene = await brokenOff();
    await using other = await scriptedServer(() => ({ status: 503 }));
    scene.blob.session = `${gone ?? other.url}/v2/team/app/blobs/uploads/1`;
    await using peer = connectPeer(scene.registry.url, { retries: 0 });
    await peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual(['HEAD 404', 'POST 202', 'PUT 201']);
  });

  test('begins anew, once, when what came together is not the blob', async () => {
    await using scene = await brokenOff();
    const error = { errors: [{ code: 'DIGEST_INVALID', message: 'other bytes' }] };
    const answer = { kind: 'answer', status: 400, body: JSON.stringify(error) } as const;
    scene.registry.fail({ method: 'PUT', path: UPLOAD }, answer);
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual([...SETTLED, 'PUT 400', 'POST 202', 'PUT 201']);
  });

  test('of what is another blob is refused in the end', async () => {
    await using scene = await brokenOff();
    scene.blob.bytes.fill(0, SIZE - 10);
    await expect(scene.peer.pushBlob('team/app', scene.blob)).rejects.toMatchObject({
      code: 'REFUSED',
      status: 400,
      reason: 'DIGEST_INVALID',
    });
    expect(scene.blob.session).toBe(undefined);
    expect(scene.registry.uploads.size).toBe(0);
  });

  test('finds the blob there when only the answer was lost', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'lose' });
    await using peer = connectPeer(registry.url);
    const blob = largeBlob();
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await peer.pushBlob('team/app', blob);
    expect(registry.receivedBytes).toBe(SIZE);
    expect(blob.session).toBe(undefined);
  });

  test('goes on from where the registry corrects it', async () => {
    await using scene = await brokenOff();
    const { registry } = scene;
    // Bytes that were still on their way when the registry told where it stood.
    const late = { kind: 'answer', status: 416 } as const;
    registry.fail({ method: 'PUT', path: UPLOAD }, late);
    const upload = registry.uploads.find('team/app', /uploads\/([^?]+)/.exec(scene.blob.session ?? '')?.[1] ?? '');
    if (!upload) throw new Error('there is no upload');
    const pushed = scene.peer.pushBlob('team/app', {
      ...asBlob(scene.blob),
      read: (startBytes) => {
        if (startBytes === 5 * MIB) registry.uploads.append(upload, scene.blob.bytes.subarray(5 * MIB, 6 * MIB));
        return scene.blob.read(startBytes);
      },
    });
    await pushed;
    expect(scene.log()).toEqual([...SETTLED, 'PUT 416', ...SETTLED, 'PUT 201']);
    expect(scene.ranges()).toEqual([`${5 * MIB}-${SIZE - 1}`, `${6 * MIB}-${SIZE - 1}`]);
    expect(stored(registry, scene.blob)).toBe(scene.blob.digest);
  });

  test('goes on by PATCH where the registry takes no rest by PUT', async () => {
    await using scene = await brokenOff({ refusesRestByPut: true });
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual([...SETTLED, 'PUT 400', ...SETTLED, 'PATCH 202', 'PUT 201']);
    expect(stored(scene.registry, scene.blob)).toBe(scene.blob.digest);
  });

  test('begins anew where the registry takes no rest at all', async () => {
    await using scene = await brokenOff({ refusesRestByPut: true });
    scene.registry.fail({ method: 'PATCH' }, { kind: 'answer', status: 405, afterBytes: 0 });
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log().slice(-6)).toEqual(['PATCH 405', ...SETTLED, 'DELETE 204', 'POST 202', 'PUT 201']);
  });

  test('is not tried for ever where the registry fails at it each time', async () => {
    await using scene = await brokenOff();
    scene.registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'answer', status: 500, afterBytes: 0 });
    await expect(scene.peer.pushBlob('team/app', scene.blob)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      status: 500,
    });
    expect(scene.blob.session).toBe(undefined);
    await scene.peer.pushBlob('team/app', scene.blob);
    expect(scene.log()).toEqual([...SETTLED, 'PUT 500', 'DELETE 204', 'POST 202', 'PUT 201']);
  });
});

describe('a push of something small that broke off', () => {
  test('is taken up by the next one', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'reset', afterBytes: MIB });
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(2 * MIB, 1));
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await peer.pushBlob('team/app', blob);
    expect(registry.uploadLog.slice(2)).toEqual(['GET 204', 'PUT 201']);
    expect(registry.receivedBytes).toBe(2 * MIB);
    expect(registry.uploads.size).toBe(0);
  });

  test('is not forgotten while the registry cannot be asked about it', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'reset', afterBytes: MIB });
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(2 * MIB, 1));
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    registry.fail({ method: 'GET', path: UPLOAD }, { kind: 'answer', status: 502 }, 3);
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await peer.pushBlob('team/app', blob);
    expect(registry.receivedBytes).toBe(2 * MIB);
    expect(registry.uploads.size).toBe(0);
  });

  test('is cancelled when nobody takes it up', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT', path: UPLOAD }, { kind: 'answer', status: 503, afterBytes: 0 });
    const peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(2 * MIB, 1));
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(registry.uploads.size).toBe(1);
    await peer[Symbol.asyncDispose]();
    expect(registry.uploads.size).toBe(0);
  });
});

/** The blob as a plain object, so that parts of it can be replaced. */
function asBlob(blob: TestBlob) {
  const { digest, session, sizeBytes } = blob;
  return {
    digest,
    sizeBytes,
    ...(session !== undefined && { session }),
    onSession: (kept: string | undefined) => blob.onSession(kept),
    onSent: (bytes: number) => blob.onSent(bytes),
  };
}
