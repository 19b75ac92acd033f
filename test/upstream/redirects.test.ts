import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, digest, readAll, ref } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';

const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [],
});
const BLOB = digest('sha256:0000000000000000000000000000000000000000000000000000000000000000');

describe('a redirect', () => {
  it('takes Range along, but no token to another host', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' }, redirectBlobs: { to: 'other' } });
    const bytes = seededBytes(10_000, 1);
    const layer = digest(origin.addBlob(bytes));
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a/b', layer, { startBytes: 100, endBytes: 200 });
    expect(await readAll(blob.body)).toEqual(bytes.subarray(100, 200));
    expect(origin.cdnRequests.map(({ headers }) => [headers.range, headers.authorization])).toEqual([
      ['bytes=100-199', undefined],
    ]);
  });

  it.each([301, 302, 303, 307, 308] as const)('may be a %d, and relative', async (status) => {
    await using origin = await startOrigin({ redirectBlobs: { to: 'self', relative: true, status, head: true } });
    const layer = digest(origin.addBlob(seededBytes(1000, 1)));
    await using upstream = connect(origin.url);
    await using blob = await upstream.getBlob('a/b', layer, undefined);
    expect((await readAll(blob.body)).length).toBe(1000);
    expect(await upstream.headBlob('a/b', layer)).toEqual({ sizeBytes: 1000 });
    expect(origin.cdnRequests.map(({ method }) => method)).toEqual(['GET', 'HEAD']);
  });

  it('of a manifest keeps method and Accept, and brings no token to the other host', async () => {
    await using backend = await scriptedServer(({ method }) => ({
      status: method === 'HEAD' || method === 'GET' ? 200 : 405,
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: MANIFEST,
    }));
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    const location = `${backend.url}/v2/elsewhere/manifests/v1?token=secret`;
    origin.fault({ path: 'manifests' }, { kind: 'status', status: 307, headers: { Location: location } });
    await using upstream = connect(origin.url);
    await upstream.headManifest('a/b', ref('v1'));
    await upstream.getManifest('a/b', ref('v1'));
    expect(backend.seen.map(({ method, headers }) => [method, headers.authorization])).toEqual([
      ['HEAD', undefined],
      ['GET', undefined],
    ]);
    expect(backend.seen[0]?.headers.accept).toContain('application/vnd.oci.image.index.v1+json');
  });

  it('within the registry keeps the token', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    const { digest: wanted } = buildImage(origin, 'library/nginx', 'v1');
    const headers = { Location: '/v2/library/nginx/manifests/v1' };
    origin.fault({ path: '/v2/nginx/' }, { kind: 'status', status: 301, headers }, { beforeAuth: true });
    await using upstream = connect(origin.url);
    expect((await upstream.getManifest('nginx', ref('v1'))).digest).toBe(wanted);
  });

  it('to a signed URL that has run out is asked for again, once', async () => {
    await using origin = await startOrigin({ redirectBlobs: { to: 'other', signed: { lifetimeMs: 60_000 } } });
    const layer = digest(origin.addBlob(seededBytes(1000, 1)));
    await using upstream = connect(origin.url);
    origin.fault({ path: '/storage/' }, { kind: 'status', status: 403 }, { times: 1 });
    await using blob = await upstream.getBlob('a/b', layer, undefined);
    expect((await readAll(blob.body)).length).toBe(1000);
    expect([origin.requestCount(), origin.cdnRequests.length]).toEqual([2, 2]);
    origin.fault({ path: '/storage/' }, { kind: 'status', status: 403 });
    await expect(upstream.getBlob('a/b', layer, undefined)).rejects.toMatchObject({ code: 'INVALID', status: 403 });
    expect([origin.requestCount(), origin.cdnRequests.length]).toEqual([4, 4]);
  });

  it('that is signed for GET gives the size to HEAD all the same', async () => {
    const redirectBlobs = { to: 'other', head: true, signed: { lifetimeMs: 60_000 } } as const;
    await using origin = await startOrigin({ redirectBlobs });
    const layer = digest(origin.addBlob(seededBytes(1000, 1)));
    await using upstream = connect(origin.url);
    expect(await upstream.headBlob('a/b', layer)).toEqual({ sizeBytes: 1000 });
  });

  it('is followed ten times, not eleven', async () => {
    await using server = await scriptedServer(({ url }) => {
      const left = Number(new URL(url, 'http://x').searchParams.get('left'));
      return left === 0 ? { body: 'blob' } : { status: 307, headers: { location: `?left=${left - 1}` } };
    });
    await using upstream = connect(server.url);
    const { answer } = server;
    server.answer = (request) =>
      request.url.includes('left') ? answer(request) : answer({ ...request, url: '?left=10' });
    await using blob = await upstream.getBlob('a/b', BLOB, undefined);
    expect((await readAll(blob.body)).toString()).toBe('blob');
    server.answer = (request) =>
      request.url.includes('left') ? answer(request) : answer({ ...request, url: '?left=11' });
    await expect(upstream.getBlob('a/b', BLOB, undefined)).rejects.toMatchObject({ code: 'INVALID' });
  });

  it.each([
    ['no Location', {}],
    ['a Location that is no URL', { location: 'http://[' }],
    ['the metadata server of a cloud', { location: 'http://169.254.169.254/latest/meta-data/' }],
    ['another protocol', { location: 'file:///etc/passwd' }],
    ['a user name in the Location', { location: 'http://user:secret@127.0.0.1/' }],
  ])('is refused with %s', async (_, headers: Record<string, string>) => {
    await using server = await scriptedServer(() => ({ status: 302, headers }));
    await using upstream = connect(server.url);
    const error = await upstream.getBlob('a/b', BLOB, undefined).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'INVALID' });
    expect(String(error)).not.toContain('secret');
    expect(server.seen).toHaveLength(1);
  });
});

describe('a name with a private address', () => {
  it('is not connected to when a redirect or a realm leads there', async () => {
    const names: Record<string, string> = { 'registry.test': '127.0.0.1', 'evil.test': '127.0.0.1' };
    await using server = await scriptedServer();
    await using target = await scriptedServer();
    const port = new URL(server.url).port;
    const overrides = { resolve: (hostname: string) => Promise.resolve(addressOf(names[hostname])) };
    const credentials = [{ type: 'basic', username: 'alice', password: new Secret('p') }] as const;
    await using upstream = connect(`http://registry.test:${port}`, { credentials }, overrides);
    server.answer = () => ({ body: 'blob' });
    await using blob = await upstream.getBlob('a/b', BLOB, undefined);
    await readAll(blob.body);
    // From here on the registry is a public one, to which there happens to be a connection.
    names['registry.test'] = '93.184.216.34';
    const evil = target.url.replace('127.0.0.1', 'evil.test');
    server.answer = () => ({ status: 307, headers: { location: `${evil}/blob` } });
    await expect(upstream.getBlob('a/b', BLOB, undefined)).rejects.toMatchObject({ code: 'INVALID' });
    server.answer = () => ({ status: 401, headers: { 'www-authenticate': `Bearer realm="${evil}/token"` } });
    await expect(upstream.getBlob('a/b', BLOB, undefined)).rejects.toMatchObject({ code: 'INVALID' });
    expect(target.seen).toEqual([]);
  });

  it('is fine where allowHosts names it', async () => {
    await using target = await scriptedServer(() => ({ body: 'blob' }));
    const location = `${target.url.replace('127.0.0.1', 'storage.inside.test')}/blob`;
    await using server = await scriptedServer(() => ({ status: 307, headers: { location } }));
    await using upstream = connect(server.url, { allowHosts: ['*.inside.test'] }, { resolve: toLoopback });
    await using blob = await upstream.getBlob('a/b', BLOB, undefined);
    expect((await readAll(blob.body)).toString()).toBe('blob');
  });
});

function toLoopback(): Promise<LookupAddress[]> {
  return Promise.resolve(addressOf('127.0.0.1'));
}

function addressOf(address: string | undefined): LookupAddress[] {
  return address === undefined ? [] : [{ address, family: 4 }];
}
