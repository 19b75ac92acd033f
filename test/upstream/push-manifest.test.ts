import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/util/secret.ts';
import { sha256 } from '../support/bytes.ts';
import { digest, ref } from './connect.ts';
import { connectPeer } from './support/connect-peer.ts';
import { startPushRegistry } from './support/push-registry.ts';
import { scriptedServer } from './scripted-server.ts';

const OCI = 'application/vnd.oci.image.index.v1+json';
const V1 = ref('v1');
const BASE = digest(`sha256:${'b'.repeat(64)}`);
const SUBJECT = digest(`sha256:${'5'.repeat(64)}`);
const DESCRIPTOR = { mediaType: OCI, digest: SUBJECT, size: 7 };
/** Spaces and the order of keys are part of it. */
const BYTES = Buffer.from(
  `{ "schemaVersion":2,  "mediaType":"${OCI}", "manifests": [], "subject": ${JSON.stringify(DESCRIPTOR)} }\n`,
);
const MANIFEST = { bytes: BYTES, mediaType: OCI };
const CREDENTIALS = { type: 'basic', username: 'eu-west', password: new Secret('secret') } as const;
const CHALLENGE = { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="registry"' } };
const ORIGIN = { site: 'eu-west', sequence: 42, clock: { ms: 1_764_425_000_123, count: 7 }, base: BASE };

describe('a manifest', () => {
  test('goes as it is, and tells where its change is from', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    expect(await peer.putManifest('team/app', V1, MANIFEST, { origin: ORIGIN })).toEqual({});
    expect(registry.manifests.get('team/app v1')).toEqual(MANIFEST);
    expect(registry.requests[0]).toMatchObject({
      method: 'PUT',
      url: '/v2/team/app/manifests/v1',
      headers: {
        'content-type': OCI,
        'content-length': String(BYTES.length),
        'entrepot-origin': `site=eu-west; sequence=42; clock=1764425000123.7; base=${BASE}`,
      },
    });
  });

  test('by digest, of no known change, says nothing of one', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    await peer.putManifest('team/app', ref(sha256(BYTES)), MANIFEST);
    expect(registry.requests[0]?.url).toBe(`/v2/team/app/manifests/${sha256(BYTES)}`);
    expect(registry.requests[0]?.headers).not.toHaveProperty('entrepot-origin');
  });

  test('that is large goes in pieces', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, annotations: { text: 'x'.repeat(1_000_000) } }));
    await peer.putManifest('team/app', V1, { bytes, mediaType: OCI });
    expect(registry.manifests.get('team/app v1')?.bytes).toEqual(bytes);
    expect(registry.requests[0]?.headers['content-length']).toBe(String(bytes.length));
  });

  test.each([200, 201, 202, 204])('is taken with %i', async (status) => {
    await using server = await scriptedServer(() => ({ status }));
    await using peer = connectPeer(server.url);
    expect(await peer.putManifest('team/app', V1, MANIFEST)).toEqual({});
  });

  test('has a subject that the registry knows of', async () => {
    await using registry = await startPushRegistry({ tellsSubject: true });
    await using peer = connectPeer(registry.url);
    expect(await peer.putManifest('team/app', V1, MANIFEST)).toEqual({ subject: SUBJECT });
  });

  test.each([
    [BASE, { kept: BASE }],
    ['deleted', { kept: 'deleted' }],
    ['nonsense', {}],
  ])('may leave the tag as it was: %s', async (kept, expected) => {
    await using server = await scriptedServer(() => ({ status: 201, headers: { 'Entrepot-Kept': kept } }));
    await using peer = connectPeer(server.url);
    expect(await peer.putManifest('team/app', V1, MANIFEST, { origin: ORIGIN })).toEqual(expected);
  });

  test('must not become another one', async () => {
    const headers = { 'Docker-Content-Digest': sha256(Buffer.from('converted')) };
    await using server = await scriptedServer(() => ({ status: 201, headers }));
    await using peer = connectPeer(server.url);
    await expect(peer.putManifest('team/app', V1, MANIFEST)).rejects.toMatchObject({ code: 'INVALID', status: 201 });
  });

  test.each([
    [400, 'MANIFEST_INVALID', 'REFUSED'],
    [404, 'MANIFEST_BLOB_UNKNOWN', 'REFUSED'],
    [405, 'UNSUPPORTED', 'REFUSED'],
    [409, 'DENIED', 'REFUSED'],
    [412, 'PROJECTPOLICYVIOLATION', 'REFUSED'],
    [413, 'SIZE_INVALID', 'REFUSED'],
    [415, 'MANIFEST_INVALID', 'REFUSED'],
    [422, 'TAG_INVALID', 'REFUSED'],
    [507, 'DENIED', 'REFUSED'],
    [403, 'DENIED', 'DENIED'],
    [429, undefined, 'RATE_LIMITED'],
    [501, 'UNSUPPORTED', 'UNAVAILABLE'],
    [503, 'UNKNOWN', 'UNAVAILABLE'],
  ])('that is answered with %i (%s) is %s', async (status, reason, code) => {
    const body = JSON.stringify({ errors: [{ code: reason, message: 'because\u0000 of\nthat' }] });
    await using server = await scriptedServer(() => ({ status, body }));
    await using peer = connectPeer(server.url, { retries: 0 });
    const failed = peer.putManifest('team/app', V1, MANIFEST);
    const message = reason === undefined ? '429' : `${reason}: because of that`;
    await expect(failed).rejects.toMatchObject({ code, status, reason, message: expect.stringContaining(message) });
  });

  test('is sent again after trouble that passes', async () => {
    await using registry = await startPushRegistry();
    registry.fail({ method: 'PUT' }, { kind: 'lose' });
    registry.fail({ method: 'PUT' }, { kind: 'answer', status: 502, afterBytes: 0 });
    await using peer = connectPeer(registry.url);
    await peer.putManifest('team/app', V1, MANIFEST);
    expect(registry.requests.map(({ status }) => status)).toEqual([0, 502, 201]);
  });
});

describe('a deletion', () => {
  test.each([
    [200, {}, 'deleted'],
    [202, {}, 'deleted'],
    [204, {}, 'deleted'],
    [404, {}, 'absent'],
    [202, { 'Entrepot-Kept': BASE }, 'kept'],
  ])('that is answered with %i %j is: %s', async (status, headers, expected) => {
    await using server = await scriptedServer(() => ({ status, headers }));
    await using peer = connectPeer(server.url);
    expect(await peer.deleteManifest('team/app', V1, { origin: ORIGIN })).toBe(expected);
    expect(server.seen[0]).toMatchObject({ method: 'DELETE', url: '/v2/team/app/manifests/v1' });
    expect(server.seen[0]?.headers['entrepot-origin']).toContain('site=eu-west');
  });

  test('may be refused', async () => {
    const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED' }] });
    await using server = await scriptedServer(() => ({ status: 405, body }));
    await using peer = connectPeer(server.url);
    const failed = peer.deleteManifest('team/app', V1);
    await expect(failed).rejects.toMatchObject({ code: 'REFUSED', status: 405, reason: 'UNSUPPORTED' });
  });
});

describe('reading', () => {
  test('finds what is there, and nothing where there is nothing', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    expect(await peer.headManifest('team/app', V1)).toBe(undefined);
    expect(await peer.getManifest('team/app', V1)).toBe(undefined);
    expect(await peer.listTags('team/app')).toEqual([]);
    expect(await peer.hasBlob('team/app', SUBJECT)).toBe(false);
    await peer.putManifest('team/app', V1, MANIFEST);
    const [known, size] = [digest(sha256(BYTES)), BYTES.length];
    expect(await peer.headManifest('team/app', V1)).toEqual({ digest: known, mediaType: OCI, sizeBytes: size });
    expect(await peer.getManifest('team/app', V1)).toMatchObject({ digest: known, mediaType: OCI, bytes: BYTES });
    expect(await peer.listTags('team/app')).toEqual(['v1']);
  });

  test('falls back to GET where HEAD is not possible', async () => {
    await using server = await scriptedServer(({ method }) =>
      method === 'HEAD' ? { status: 405 } : { headers: { 'content-type': OCI }, body: BYTES },
    );
    await using peer = connectPeer(server.url);
    expect(await peer.headManifest('team/app', V1)).toMatchObject({ digest: sha256(BYTES), mediaType: OCI });
  });
});

test('reading is of what the peer has itself: what it could pull is not there', async () => {
  const answer = { status: 504, headers: { 'Cache-Status': 'entrepot; detail=not-cached' } };
  await using server = await scriptedServer(({ headers }) =>
    headers['cache-control'] === 'only-if-cached' ? answer : { status: 404 },
  );
  await using peer = connectPeer(server.url);
  expect(await peer.getManifest('docker.io/library/app', V1)).toBe(undefined);
  expect(await peer.listTags('docker.io/library/app')).toEqual([]);
  expect(await peer.headManifest('docker.io/library/app', V1)).toBe(undefined);
});

describe('a ping', () => {
  test.each([
    ['eu-west', 'eu-west'],
    ['two words', undefined],
    [undefined, undefined],
  ])('tells the site %s', async (told, site) => {
    const answer = { headers: told === undefined ? {} : { 'Entrepot-Site': told } };
    await using server = await scriptedServer(({ headers }) => (headers.authorization ? answer : CHALLENGE));
    await using peer = connectPeer(server.url, { credentials: CREDENTIALS });
    expect(await peer.ping()).toEqual({ site });
    const asked = server.seen.length;
    expect(await peer.ping()).toEqual({ site });
    expect(server.seen.slice(asked).map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/v2/', expect.stringMatching(/^Basic /)],
    ]);
  });

  test("is refused by a mirror's door, where nobody would know us", async () => {
    await using server = await scriptedServer(() => ({ headers: { 'Entrepot-Site': 'us-east' } }));
    await using peer = connectPeer(server.url, { credentials: CREDENTIALS });
    const message = expect.stringContaining("is a mirror's door") as string;
    for (let time = 0; time < 2; time++) {
      await expect(peer.ping()).rejects.toMatchObject({ code: 'INVALID', message });
    }
  });

  test.each([
    [404, 'NOT_FOUND'],
    [403, 'DENIED'],
    [503, 'UNAVAILABLE'],
    [204, 'INVALID'],
  ])('that is answered with %i is %s', async (status, code) => {
    await using server = await scriptedServer(() => ({ status }));
    await using peer = connectPeer(server.url, { retries: 0 });
    await expect(peer.ping()).rejects.toMatchObject({ code, upstream: 'us-east' });
  });

  test('below a path is made there', async () => {
    await using server = await scriptedServer(() => ({}));
    await using peer = connectPeer(`${server.url}/registry`);
    await peer.ping();
    expect(server.seen[0]?.url).toBe('/registry/v2/');
  });
});
