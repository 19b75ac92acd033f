import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import type { UpstreamCredentials } from '../../src/upstream/credentials.ts';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes } from '../support/bytes.ts';
import { ref } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';
import { connectPeer, TestBlob } from './support/connect-peer.ts';
import { startPushRegistry } from './support/push-registry.ts';

const credentials: UpstreamCredentials = { type: 'basic', username: 'ci', password: new Secret('secret') };
const wrong: UpstreamCredentials = { type: 'basic', username: 'ci', password: new Secret('wrong') };
const BEARER = { type: 'bearer', users: { ci: 'secret' } } as const;
const BASIC = { type: 'basic', users: { ci: 'secret' } } as const;
const V1 = ref('v1');
const MANIFEST = { bytes: Buffer.from('{"schemaVersion":2}'), mediaType: 'application/vnd.oci.image.manifest.v1+json' };

function small(seed: number): TestBlob {
  return new TestBlob(seededBytes(100, seed));
}

describe('a peer that wants tokens', () => {
  test('is asked for one token for reading and writing, and keeps to it', async () => {
    await using registry = await startPushRegistry({ auth: BEARER });
    await using peer = connectPeer(registry.url, { credentials });
    await peer.ping();
    for (let seed = 0; seed < 3; seed++) {
      await peer.headManifest('team/app', V1);
      await peer.hasBlob('team/app', small(seed).digest);
      await peer.pushBlob('team/app', small(seed));
      await peer.putManifest('team/app', V1, MANIFEST);
      await peer.listTags('team/app');
    }
    expect(registry.tokens?.asked).toEqual([[], ['repository:team/app:pull,push']]);
    expect(registry.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  });

  test('is asked for what its challenge names before something is deleted, once', async () => {
    await using registry = await startPushRegistry({ auth: BEARER });
    await using peer = connectPeer(registry.url, { credentials });
    for (let time = 0; time < 3; time++) {
      await peer.putManifest('team/app', V1, MANIFEST);
      await peer.deleteManifest('team/app', V1);
    }
    expect(registry.tokens?.asked).toEqual([['repository:team/app:pull,push'], ['repository:team/app:delete']]);
    expect(registry.manifests.has('team/app v1')).toBe(false);
  });

  test('is asked for a mount with the destination first', async () => {
    await using registry = await startPushRegistry({ auth: BEARER });
    await using peer = connectPeer(registry.url, { credentials });
    const blob = small(1);
    await peer.pushBlob('team/base', blob);
    expect(await peer.mountBlob('team/app', blob.digest, 'team/base')).toBe(true);
    expect(registry.tokens?.asked.at(-1)).toEqual(['repository:team/app:pull,push', 'repository:team/base:pull']);
  });

  test('gives a new token for the next request when the old one has run out', async () => {
    await using registry = await startPushRegistry({ auth: { ...BEARER, expiresInSeconds: 300 } });
    const clock = { now: 1000 };
    await using peer = connectPeer(registry.url, { credentials, chunkBytes: 1024 * 1024 }, { now: () => clock.now });
    const blob = new TestBlob(seededBytes(4 * 1024 * 1024, 1));
    blob.watch = { sent: () => void (clock.now += 10_000) };
    await peer.pushBlob('team/app', blob);
    expect(registry.tokens?.asked.length).toBeGreaterThan(2);
    expect(registry.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  });

  test('may forget a token, in whatever is going on', async () => {
    await using registry = await startPushRegistry({ auth: BEARER });
    await using peer = connectPeer(registry.url, { credentials });
    const acts = [
      () => peer.headManifest('team/app', V1),
      () => peer.putManifest('team/app', V1, MANIFEST),
      () => peer.pushBlob('team/app', small(1)),
      () => peer.mountBlob('team/other', small(1).digest, 'team/app'),
      () => peer.listTags('team/app'),
      () => peer.deleteManifest('team/app', V1),
      () => peer.ping(),
    ];
    for (const act of acts) {
      await act();
      registry.tokens?.expire();
    }
    expect(registry.blobs.has(`team/other ${small(1).digest}`)).toBe(true);
  });

  test('denies what may not be pushed, and says so; what may is pushed all the same', async () => {
    const allowed = (_: string, repository: string) => (repository === 'team/app' ? ['pull', 'push'] : ['pull']);
    await using registry = await startPushRegistry({ auth: { ...BEARER, allowed } });
    await using peer = connectPeer(registry.url, { credentials });
    await expect(peer.pushBlob('other/app', small(1))).rejects.toMatchObject({
      code: 'DENIED',
      status: 401,
      message: 'us-east: does not let us push to other/app',
    });
    await expect(peer.deleteManifest('team/app', V1)).rejects.toMatchObject({
      code: 'DENIED',
      message: 'us-east: does not let us delete from team/app',
    });
    await peer.pushBlob('team/app', small(1));
  });

  test('and refuses one thing for good is believed, once a new token has made no difference', async () => {
    await using registry = await startPushRegistry({ auth: { ...BEARER, hasGuests: true } });
    await using peer = connectPeer(registry.url, { credentials });
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'the tag v1 never moves' }] });
    registry.fail({ method: 'PUT', path: /manifests/ }, { kind: 'answer', status: 403, body }, 2);
    await peer.ping();
    await peer.pushBlob('team/app', small(1));
    const failed = peer.putManifest('team/app', V1, MANIFEST);
    await expect(failed).rejects.toMatchObject({ code: 'DENIED', status: 403, reason: 'DENIED' });
    await peer.putManifest('team/app', ref('v2'), MANIFEST);
    expect(registry.tokens?.asked).toHaveLength(3);
  });
});

test('a peer whose root is open to all is believed when it refuses something with a token', async () => {
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'the tag v1 never moves' }] });
  await using server = await scriptedServer(({ headers, method, url }) => {
    if (url === '/v2/') return {};
    if (url.startsWith('/token')) return { body: JSON.stringify({ token: 'abc' }) };
    const challenge = { 'WWW-Authenticate': `Bearer realm="http://${headers.host}/token",service="s"` };
    if (headers.authorization !== 'Bearer abc') return { status: 401, headers: challenge };
    return method === 'PUT' ? { status: 403, body } : { status: 404 };
  });
  const clock = { now: 1000 };
  await using peer = connectPeer(server.url, { credentials }, { now: () => (clock.now += 1) });
  expect(await peer.headManifest('team/app', V1)).toBe(undefined);
  await expect(peer.putManifest('team/app', V1, MANIFEST)).rejects.toMatchObject({
    code: 'DENIED',
    status: 403,
    message: 'us-east: does not let us push to team/app: DENIED: the tag v1 never moves',
  });
});

describe.each([BEARER, { ...BEARER, hasGuests: true }, BASIC])('wrong credentials ($type)', (auth) => {
  test('are told as that, and are not sent again and again', async () => {
    await using registry = await startPushRegistry({ auth });
    const reports: object[] = [];
    const telemetry = new Telemetry(silentLogger(), new Metrics('test'));
    telemetry.peers.credentialsRefused = (event) => void reports.push(event);
    await using peer = connectPeer(registry.url, { credentials: wrong }, { telemetry });
    await expect(peer.ping()).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    await expect(peer.pushBlob('a', small(1))).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    await expect(peer.putManifest('a', V1, MANIFEST)).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    const tries = registry.requests.filter(({ headers }) => headers.authorization?.startsWith('Basic'));
    expect(tries).toHaveLength(1);
    expect(reports).toEqual([{ peer: 'us-east', repository: '', reason: expect.any(String) }]);
    expect(JSON.stringify(reports)).not.toContain('wrong');
  });
});

describe('a peer that wants a password', () => {
  test('gets it with each request once it has asked', async () => {
    await using registry = await startPushRegistry({ auth: BASIC });
    await using peer = connectPeer(registry.url, { credentials });
    await peer.pushBlob('team/app', small(1));
    await peer.putManifest('team/app', V1, MANIFEST);
    expect(registry.requests.map(({ status }) => status)).toEqual([401, 202, 201, 201]);
  });

  test('and will not have one thing is asked for the next with the same password', async () => {
    await using registry = await startPushRegistry({ auth: BASIC });
    await using peer = connectPeer(registry.url, { credentials });
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'the tag v1 never moves' }] });
    registry.fail({ method: 'PUT', path: /manifests/ }, { kind: 'answer', status: 403, body });
    await peer.pushBlob('team/app', small(1));
    await expect(peer.putManifest('team/app', V1, MANIFEST)).rejects.toMatchObject({
      code: 'DENIED',
      status: 403,
      reason: 'DENIED',
      message: 'us-east: does not let us push to team/app: DENIED: the tag v1 never moves',
    });
    await peer.putManifest('team/app', ref('v2'), MANIFEST);
    expect(registry.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  });

  test('that has expired, as ECR says with 403, is sent once more', async () => {
    await using registry = await startPushRegistry({ auth: BASIC });
    await using peer = connectPeer(registry.url, { credentials });
    await peer.ping();
    const body = 'Your Authorization Token has expired. Please run ...';
    registry.fail({ method: 'POST' }, { kind: 'answer', status: 403, body });
    await peer.pushBlob('team/app', small(1));
    expect(registry.blobs.size).toBe(1);
  });
});

test('a peer that wants nothing is sent nothing', async () => {
  await using registry = await startPushRegistry();
  await using peer = connectPeer(registry.url, { credentials });
  await peer.ping();
  await peer.pushBlob('team/app', small(1));
  expect(registry.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
});
