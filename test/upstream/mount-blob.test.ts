import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { connectPeer, TestBlob } from './support/connect-peer.ts';
import { startPushRegistry } from './support/push-registry.ts';
import { scriptedServer } from './scripted-server.ts';

const blob = new TestBlob(seededBytes(1000, 1));

describe('a mount', () => {
  test('that works spares the bytes', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    await peer.pushBlob('team/base', blob);
    expect(await peer.mountBlob('team/app', blob.digest, 'team/base')).toBe(true);
    expect(await peer.hasBlob('team/app', blob.digest)).toBe(true);
    const { url } = registry.requests[2] ?? {};
    expect(url).toBe(`/v2/team/app/blobs/uploads/?mount=sha256%3A${blob.digest.slice(7)}&from=team%2Fbase`);
    expect(registry.requests[2]?.headers['content-length']).toBe('0');
  });

  test('of a blob that the registry may find by itself names no repository', async () => {
    await using server = await scriptedServer(() => ({ status: 201 }));
    await using peer = connectPeer(server.url);
    expect(await peer.mountBlob('team/app', blob.digest, undefined)).toBe(true);
    expect(server.seen[0]?.url).not.toContain('from');
  });

  test('into the same repository is not asked for', async () => {
    await using server = await scriptedServer();
    await using peer = connectPeer(server.url);
    expect(await peer.mountBlob('team/app', blob.digest, 'team/app')).toBe(false);
    expect(server.seen).toEqual([]);
  });

  test('of another blob than was asked for is none', async () => {
    const headers = { 'Docker-Content-Digest': `sha256:${'0'.repeat(64)}` };
    await using server = await scriptedServer(() => ({ status: 201, headers }));
    await using peer = connectPeer(server.url);
    expect(await peer.mountBlob('team/app', blob.digest, 'team/base')).toBe(false);
  });

  test.each([400, 401, 403, 404, 405, 416, 500, 501])('that is answered with %i is not possible', async (status) => {
    await using registry = await startPushRegistry({ mount: status });
    await using peer = connectPeer(registry.url, { retries: 0 });
    expect(await peer.mountBlob('team/app', blob.digest, 'team/base')).toBe(false);
  });

  test.each([429, 502, 503])('that is answered with %i is trouble', async (status) => {
    await using registry = await startPushRegistry({ mount: status });
    await using peer = connectPeer(registry.url, { retries: 0 });
    await expect(peer.mountBlob('team/app', blob.digest, 'team/base')).rejects.toMatchObject({ status });
  });
});

describe('a mount that begins an upload', () => {
  test('leaves it to the push of the blob', async () => {
    await using registry = await startPushRegistry({ mount: 202 });
    await using peer = connectPeer(registry.url);
    expect(await peer.mountBlob('team/app', blob.digest, 'team/base')).toBe(false);
    await peer.pushBlob('team/app', blob);
    expect(registry.uploadLog).toEqual(['POST 202', 'PUT 201']);
    expect(registry.uploads.size).toBe(0);
  });

  test('leaves it to that blob and that repository only, and in the end it is cancelled', async () => {
    await using registry = await startPushRegistry({ mount: 202 });
    const peer = connectPeer(registry.url);
    await peer.mountBlob('team/app', blob.digest, 'team/base');
    await peer.pushBlob('team/other', blob);
    await peer.pushBlob('team/app', new TestBlob(seededBytes(10, 2)));
    expect(registry.uploads.size).toBe(1);
    await peer[Symbol.asyncDispose]();
    expect(registry.uploads.size).toBe(0);
  });

  test('that is large is told about too', async () => {
    await using registry = await startPushRegistry({ mount: 202 });
    await using peer = connectPeer(registry.url);
    const large = new TestBlob(seededBytes(5 * 1024 * 1024, 1));
    await peer.mountBlob('team/app', large.digest, 'team/base');
    await peer.pushBlob('team/app', large);
    expect(large.sessions).toHaveLength(1);
  });
});
