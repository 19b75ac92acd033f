import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { connectPeer, TestBlob } from './support/connect-peer.ts';
import { type PushRegistry, startPushRegistry } from './support/push-registry.ts';
import { scriptedServer } from './scripted-server.ts';

const MIB = 1024 * 1024;
const UPLOAD = /uploads\/./;

/** What the registry has of it. */
function stored(registry: PushRegistry, { digest }: TestBlob, repository = 'team/app'): string {
  return sha256(registry.blobs.get(`${repository} ${digest}`) ?? Buffer.alloc(0));
}

describe('a blob', () => {
  test.each([0, 1, 64 * 1024, 3 * MIB, 9 * MIB])('of %i bytes goes by POST and one PUT', async (size) => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const blob = new TestBlob(seededBytes(size, 1));
    await peer.pushBlob('team/app', blob);
    expect(registry.uploadLog).toEqual(['POST 202', 'PUT 201']);
    const [post, put] = registry.requests;
    expect(post?.headers['content-length']).toBe('0');
    expect(put?.headers).toMatchObject({ 'content-length': String(size), 'content-type': 'application/octet-stream' });
    expect(put?.headers).not.toHaveProperty('content-range');
    expect(put?.headers).not.toHaveProperty('transfer-encoding');
    expect(stored(registry, blob)).toBe(blob.digest);
    expect(blob).toMatchObject({ sentBytes: size, openReads: 0 });
  });

  test('that is large is told about before a byte of it goes, one that is small is not', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const large = new TestBlob(seededBytes(4 * MIB, 1));
    const seen: string[][] = [];
    large.watch = { session: () => void seen.push(registry.uploadLog) };
    await peer.pushBlob('team/app', large);
    const small = new TestBlob(seededBytes(4 * MIB - 1, 1));
    await peer.pushBlob('team/app', small);
    expect(seen).toEqual([['POST 202']]);
    expect(small.sessions).toEqual([]);
  });

  test.each(['absolute', 'relative', 'other'] as const)('goes where the registry says (%s)', async (location) => {
    const auth = { type: 'basic', users: { ci: 'secret' } } as const;
    await using registry = await startPushRegistry({ location, hasState: true, auth });
    const credentials = { type: 'basic', username: 'ci', password: new Secret('secret') } as const;
    await using peer = connectPeer(registry.url, { credentials });
    const blob = new TestBlob(seededBytes(MIB, 1));
    await peer.pushBlob('team/app', blob);
    expect(stored(registry, blob)).toBe(blob.digest);
    const put = registry.requests.find(({ method }) => method === 'PUT');
    expect(put?.server).toBe(location === 'other' ? 'other' : 'registry');
    expect(put?.headers.authorization === undefined).toBe(location === 'other');
    expect(put?.url).toContain(`&digest=sha256%3A${blob.digest.slice(7)}`);
  });

  test.each(['http://169.254.169.254/latest', 'file:///etc/passwd', 'http://user:password@127.0.0.1/', 'http://['])(
    'does not go to %s',
    async (location) => {
      await using server = await scriptedServer(() => ({ status: 202, headers: { location } }));
      await using peer = connectPeer(server.url);
      const blob = new TestBlob(seededBytes(10, 1));
      await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'INVALID' });
      expect(server.seen).toHaveLength(1);
      expect(blob.reads).toEqual([]);
    },
  );

  test('goes nowhere when the registry does not say where', async () => {
    await using server = await scriptedServer(() => ({ status: 202 }));
    await using peer = connectPeer(server.url);
    await expect(peer.pushBlob('a', new TestBlob(seededBytes(10, 1)))).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('is not sent after a redirect', async () => {
    await using server = await scriptedServer(() => ({ status: 307, headers: { location: 'http://127.0.0.1:1/' } }));
    await using peer = connectPeer(server.url);
    const failed = peer.pushBlob('a', new TestBlob(seededBytes(10, 1)));
    await expect(failed).rejects.toMatchObject({ code: 'INVALID', status: 307 });
    expect(server.seen).toHaveLength(1);
  });

  test('with a digest of another algorithm is announced as that', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const bytes = seededBytes(1000, 1);
    const blob = new TestBlob(bytes, digestOf(bytes, 'sha512'));
    await peer.pushBlob('team/app', blob);
    expect(registry.requests[0]?.url).toContain('?digest-algorithm=sha512');
    expect(registry.blobs.get(`team/app ${blob.digest}`)).toEqual(bytes);
  });
});

describe('in chunks a blob', () => {
  test('goes by PATCH, each where the one before said, and is told about each time that changes', async () => {
    await using registry = await startPushRegistry({ hasState: true });
    await using peer = connectPeer(registry.url, { chunkBytes: 4 * MIB });
    const blob = new TestBlob(seededBytes(10 * MIB, 1));
    await peer.pushBlob('team/app', blob);
    expect(registry.uploadLog).toEqual(['POST 202', 'PATCH 202', 'PATCH 202', 'PATCH 202', 'PUT 201']);
    const ranges = registry.requests.map(({ headers }) => headers['content-range']);
    expect(ranges).toEqual([undefined, '0-4194303', '4194304-8388607', '8388608-10485759', undefined]);
    expect(blob.reads).toEqual([0, 4 * MIB, 8 * MIB]);
    expect(new Set(blob.sessions).size).toBe(4);
    expect(stored(registry, blob)).toBe(blob.digest);
  });

  test('of which it is one goes whole', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url, { chunkBytes: 4 * MIB });
    await peer.pushBlob('team/app', new TestBlob(seededBytes(4 * MIB, 1)));
    expect(registry.uploadLog).toEqual(['POST 202', 'PUT 201']);
  });

  test('goes in larger ones where the registry wants that', async () => {
    await using registry = await startPushRegistry({ uploadHeaders: { 'OCI-Chunk-Min-Length': String(5 * MIB) } });
    await using peer = connectPeer(registry.url, { chunkBytes: MIB });
    await peer.pushBlob('team/app', new TestBlob(seededBytes(11 * MIB, 1)));
    expect(registry.requests.map(({ bodyBytes }) => bodyBytes)).toEqual([0, 5 * MIB, 5 * MIB, MIB, 0]);
  });

  test('goes on where the last one broke off', async () => {
    await using registry = await startPushRegistry({ range: (size) => `0-${size - 1}` });
    registry.fail({ method: 'PATCH', path: UPLOAD }, { kind: 'reset', afterBytes: 2 * MIB });
    await using peer = connectPeer(registry.url, { chunkBytes: 4 * MIB });
    const blob = new TestBlob(seededBytes(10 * MIB, 1));
    await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await peer.pushBlob('team/app', blob);
    expect(stored(registry, blob)).toBe(blob.digest);
    expect(registry.receivedBytes).toBe(blob.sizeBytes);
    expect(blob.reads).toEqual([0, 2 * MIB, 6 * MIB]);
  });

  test('that do not arrive are no reason to go on', async () => {
    await using registry = await startPushRegistry({ range: () => '0-0' });
    await using peer = connectPeer(registry.url, { chunkBytes: MIB });
    const failed = peer.pushBlob('team/app', new TestBlob(seededBytes(3 * MIB, 1)));
    await expect(failed).rejects.toMatchObject({ code: 'INVALID' });
    expect(registry.uploadLog).toEqual(['POST 202', 'PATCH 202', 'DELETE 204']);
  });
});
