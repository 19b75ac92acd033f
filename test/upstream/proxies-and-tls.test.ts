import type { LookupAddress } from 'node:dns';
import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/util/secret.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, ref } from './connect.ts';
import { scriptedServer } from './scripted-server.ts';
import { smallProxy } from './small-proxy.ts';
import { tlsServer } from './tls-server.ts';

const V1 = ref('v1');
const INDEX = 'application/vnd.oci.image.index.v1+json';

describe.concurrent('through a proxy', () => {
  it('goes everything, tokens and redirects too', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', realm: 'http://registry.test/token' } });
    buildImage(origin, 'a', 'v1');
    await using proxy = await smallProxy({ target: origin.host, login: 'user:p@ss' });
    const url = new Secret(`http://user:p%40ss@127.0.0.1:${proxy.port}`);
    await using upstream = connect('http://registry.test', { proxy: url });
    await upstream.getManifest('a', V1);
    expect(proxy.seen).toEqual([
      'GET http://registry.test/v2/a/manifests/v1',
      expect.stringMatching(/^GET http:\/\/registry\.test\/token\?/),
      'GET http://registry.test/v2/a/manifests/v1',
    ]);
    expect(origin.requests.every(({ headers }) => headers['proxy-authorization'] === undefined)).toBe(true);
  });

  it('goes https in a tunnel, with the certificate of the registry', async () => {
    await using server = await tlsServer(sendIndex);
    await using proxy = await smallProxy({ target: `127.0.0.1:${server.port}` });
    const options = { proxy: new Secret(`http://127.0.0.1:${proxy.port}`), ca: server.certificate };
    await using upstream = connect('https://registry.test', options);
    expect((await upstream.getManifest('a', V1)).mediaType).toBe(INDEX);
    expect(proxy.seen).toEqual(['CONNECT registry.test:443']);
  });

  it.each(['http://127.0.0.1:1/blob', 'http://localhost:1/blob', 'http://10.0.0.1/blob'])(
    'nothing goes to %s, though nobody sees the address of a name',
    async (location) => {
      await using server = await scriptedServer(() => ({ status: 307, headers: { location } }));
      await using proxy = await smallProxy({ target: server.host });
      const options = { proxy: new Secret(`http://127.0.0.1:${proxy.port}`) };
      await using upstream = connect('http://registry.test', options, { resolve: toPublic });
      await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
      expect(proxy.seen).toHaveLength(1);
    },
  );

  it.each(['http', 'https'])('that wants another password nothing goes, and no secret is told (%s)', async (scheme) => {
    await using proxy = await smallProxy({ login: 'user:right' });
    const options = { proxy: new Secret(`http://user:wrong@127.0.0.1:${proxy.port}`), retries: 0 };
    await using upstream = connect(`${scheme}://registry.test`, options);
    const error = await upstream.getManifest('a', V1).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'UNREACHABLE' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/wrong|dXNlc/);
  });

  it.each(['http', 'https'])('that is not there is UNREACHABLE (%s)', async (scheme) => {
    const options = { proxy: new Secret('http://127.0.0.1:1'), retries: 0 };
    await using upstream = connect(`${scheme}://registry.test`, options);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('that falls silent is a TIMEOUT', async () => {
    await using proxy = await smallProxy({ isSilent: true });
    const options = { proxy: new Secret(`http://127.0.0.1:${proxy.port}`), retries: 0 };
    await using upstream = connect('https://registry.test', options);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe.concurrent('a certificate', () => {
  it('that nobody knows is refused, and taken when it is configured', async () => {
    await using server = await tlsServer(sendIndex);
    const url = `https://127.0.0.1:${server.port}`;
    await using stranger = connect(url, { retries: 0 });
    await expect(stranger.getManifest('a', V1)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await using upstream = connect(url, { ca: server.certificate });
    expect((await upstream.getManifest('a', V1)).mediaType).toBe(INDEX);
  });

  it('is not left behind: no redirect and no realm leads from https to http', async () => {
    await using plain = await scriptedServer(() => ({ headers: { 'content-type': INDEX }, body: '{"manifests":[]}' }));
    let answer: RequestListener = (_, response) => response.writeHead(307, { location: `${plain.url}/x` }).end();
    await using server = await tlsServer((request, response) => answer(request, response));
    const url = `https://127.0.0.1:${server.port}`;
    await using upstream = connect(url, { ca: server.certificate });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    await using lenient = connect(url, { ca: server.certificate, allowHosts: [plain.host] });
    expect((await lenient.getManifest('a', V1)).mediaType).toBe(INDEX);
    answer = (_, response) =>
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${plain.url}/token"` }).end();
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    expect(plain.seen).toHaveLength(1);
  });
});

function toPublic(): Promise<LookupAddress[]> {
  return Promise.resolve([{ address: '93.184.216.34', family: 4 }]);
}

function sendIndex(...[, response]: Parameters<RequestListener>): void {
  response.writeHead(200, { 'content-type': INDEX }).end('{"schemaVersion":2,"manifests":[]}');
}
