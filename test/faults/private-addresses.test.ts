import { describe, expect, test } from 'vitest';
import { type BuiltImage, buildImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import type { OriginOptions } from '../support/origin-options.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { type ForwardProxy, startForwardProxy } from './support/forward-proxy.ts';

const REPOSITORY = '/v2/library/app';
/** An address, so that no name has to be looked up; the proxy never connects to it. */
const HOST = '93.184.216.34';

interface PublicStage extends AsyncDisposable {
  readonly origin: Origin;
  readonly proxy: ForwardProxy;
  readonly mirror: TestMirror;
  readonly image: BuiltImage;
}

/** An upstream with a public name: only a proxy knows that it is on this machine. */
async function setPublicStage(from: OriginOptions, allowHosts: readonly string[] = []): Promise<PublicStage> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin(from));
  const proxy = opened.use(await startForwardProxy(origin.host));
  const timeouts = { connect: '1s', headers: '1s', stall: '1s' };
  const upstream = { url: `http://${HOST}`, proxy: proxy.url, allowHosts, freshFor: '0s', retries: 1, timeouts };
  const config = { pull: { readAhead: false, notFoundFor: '0s' } };
  const mirror = opened.use(await startMirror(origin, { upstream, config }));
  const image = buildImage(origin, 'library/app', 'v1');
  const cleanup = opened.move();
  return { origin, proxy, mirror, image, [Symbol.asyncDispose]: async () => cleanup.disposeAsync() };
}

/** Addresses of this machine and of networks that are nobody's business, in many spellings. */
const PRIVATE = [
  'http://127.0.0.1:8080',
  'http://localhost:8080',
  'http://127.1',
  'http://2130706433',
  'http://0x7f000001',
  'http://0.0.0.0',
  'http://[::1]',
  'http://[::]',
  'http://[::ffff:127.0.0.1]',
  'http://[::ffff:10.0.0.1]',
  'http://[fe80::1]',
  'http://[fd00::1]',
  'http://[64:ff9b::7f00:1]',
  'http://10.1.2.3',
  'http://172.16.0.1',
  'http://192.168.1.1',
  'http://100.64.0.1',
  'http://169.254.169.254',
  'https://169.254.169.254',
  'http://user:password@127.0.0.1',
];

describe('an upstream with a public address', () => {
  test('is pulled from through its proxy', async () => {
    await using stage = await setPublicStage({ auth: { type: 'bearer', realm: `http://${HOST}/token` } });
    const { mirror, image, proxy } = stage;
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    expect(new Set(proxy.asked.map((host) => host.replace(/:80$/, '')))).toEqual(new Set([HOST]));
  });

  test('may not send us to a private address by a redirect, in whatever spelling', async () => {
    await using stage = await setPublicStage({});
    const { origin, mirror, image, proxy } = stage;
    for (const location of PRIVATE) {
      for (const path of ['manifests/v1', `blobs/${image.config}`]) {
        const headers = { Location: `${location}/x` };
        origin.fault({ path: '/app/' }, { kind: 'status', status: 307, headers });
        const refused = await ask(mirror, `${REPOSITORY}/${path}`);
        expectError(refused, GATEWAY_ERRORS);
        expect(refused.body.toString(), `${location} is refused, not tried`).not.toContain('password');
        origin.clearFaults();
        // A success in between keeps the circuit closed.
        expect((await ask(mirror, `${REPOSITORY}/tags/list`)).status).toBe(200);
      }
    }
    expect(new Set(proxy.asked.map((host) => host.replace(/:80$/, '')))).toEqual(new Set([HOST]));
  });

  test('may not send us to a private address for a token', async () => {
    const good = `http://${HOST}/token`;
    const auth = { type: 'bearer' as const, realm: good };
    await using stage = await setPublicStage({ auth });
    const { origin, mirror, proxy } = stage;
    for (const realm of PRIVATE) {
      auth.realm = `${realm}/token`;
      origin.expireTokens();
      expectError(await ask(mirror, `${REPOSITORY}/manifests/v1`), GATEWAY_ERRORS);
      auth.realm = good;
      expect((await ask(mirror, `${REPOSITORY}/tags/list`)).status).toBe(200);
    }
    expect(new Set(proxy.asked.map((host) => host.replace(/:80$/, '')))).toEqual(new Set([HOST]));
  });

  test('may do so if allowHosts names the address', async () => {
    await using stage = await setPublicStage({ redirectBlobs: { to: 'other' } }, ['127.0.0.1']);
    const { mirror, image, proxy, origin } = stage;
    // The proxy leads every host to the registry: that it was asked for the storage is all that matters.
    await ask(mirror, `${REPOSITORY}/blobs/${image.config}`);
    expect(proxy.asked.some((host) => host.startsWith('127.0.0.1'))).toBe(true);
    expect(origin.requestCount({ path: '/storage/' })).toBeGreaterThanOrEqual(0);
    origin.unexpected.length = 0;
  });
});
