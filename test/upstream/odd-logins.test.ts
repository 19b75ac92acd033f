import { describe, expect, it } from 'vitest';
import type { UpstreamCredentials } from '../../src/upstream/credentials.ts';
import { Secret } from '../../src/util/secret.ts';
import { connect, ref } from './connect.ts';
import { type ScriptedAnswer, type SeenRequest, scriptedServer } from './scripted-server.ts';

const V1 = ref('v1');
const CREDENTIALS: UpstreamCredentials = { type: 'basic', username: 'alice', password: new Secret('pass word') };
const MANIFEST: ScriptedAnswer = {
  headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
  body: '{"schemaVersion":2,"manifests":[]}',
};

describe('a realm', () => {
  it.each([
    ['on a link-local address', 'http://169.254.169.254/token'],
    ['that is no web address', 'file:///etc/passwd'],
    ['that is no URL', 'http://['],
    ['with a user name in it', 'http://bob@127.0.0.1:1/token'],
  ])('%s is never asked', async (_, realm) => {
    await using registry = await scriptedServer(() => challenge(`Bearer realm="${realm}",service="s"`));
    await using upstream = connect(registry.url, { credentials: [CREDENTIALS] });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('is taken from an answer to a request without a token (nvcr.io)', async () => {
    await using registry = await scriptedServer();
    let good = 'one';
    registry.answer = ({ url, headers }) => {
      if (url.startsWith('/proxy_auth')) return json({ token: good });
      if (headers.authorization === `Bearer ${good}`) return MANIFEST;
      const path = headers.authorization === undefined ? 'proxy_auth' : 'elsewhere';
      return challenge(`Bearer realm="${registry.url}/${path}",scope="repository:a:pull"`);
    };
    await using upstream = connect(registry.url);
    await upstream.getManifest('a', V1);
    good = 'two';
    await upstream.getManifest('a', V1);
    expect(registry.seen.filter(({ url }) => url.startsWith('/elsewhere'))).toEqual([]);
  });

  it('keeps the query it has', async () => {
    await using registry = await scriptedServer();
    registry.answer = ({ url, headers }) => {
      if (url.startsWith('/token?account=x&')) return json({ token: 't' });
      return headers.authorization ? MANIFEST : challenge(`Bearer realm="${registry.url}/token?account=x",service="s"`);
    };
    await using upstream = connect(registry.url);
    expect((await upstream.getManifest('a', V1)).mediaType).toBe('application/vnd.oci.image.index.v1+json');
  });
});

describe('a challenge', () => {
  it('from a host that the registry redirects to is not answered', async () => {
    await using backend = await scriptedServer();
    backend.answer = () => challenge(`Bearer realm="${backend.url}/token",service="s"`);
    const headers = { location: `${backend.url}/v2/a/manifests/v1` };
    await using registry = await scriptedServer(() => ({ status: 307, headers }));
    await using upstream = connect(registry.url, { credentials: [CREDENTIALS] });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    expect(backend.seen.every(({ url }) => url === '/v2/a/manifests/v1')).toBe(true);
    expect(backend.seen.every(({ headers: sent }) => sent.authorization === undefined)).toBe(true);
  });

  it.each([
    ['two schemes in one header', ['Basic realm="x", Bearer realm="REALM",service="s"']],
    ['two headers', ['Basic realm="x"', 'Bearer realm="REALM",service="s"']],
    ['unquoted values', ['Bearer realm=REALM,service=s']],
    ['a relative realm', ['Bearer realm="/token"']],
  ])('with %s is understood', async (_, headers) => {
    await using registry = await scriptedServer();
    registry.answer = (request) => {
      if (request.url.startsWith('/token')) return json({ token: 't' });
      const named = headers.map((header) => header.replace('REALM', `${registry.url}/token`));
      return request.headers.authorization === 'Bearer t' ? MANIFEST : challenge(named);
    };
    await using upstream = connect(registry.url);
    await upstream.getManifest('a', V1);
    expect(registry.seen.at(-1)?.headers.authorization).toBe('Bearer t');
  });

  it.each([
    ['repository:a:pull repository:b:pull', ['repository:a:pull', 'repository:b:pull']],
    ['aws', ['repository:a:pull', 'aws']],
    ['', ['repository:a:pull']],
  ])('with the scope %j leads to a token for it, also the next time', async (scope, asked) => {
    await using registry = await scriptedServer();
    let token = 'one';
    registry.answer = ({ url, headers }) => {
      if (url.startsWith('/token')) return json({ token });
      if (headers.authorization === `Bearer ${token}`) return MANIFEST;
      return challenge(`Bearer realm="${registry.url}/token",service="s",scope="${scope}"`);
    };
    await using upstream = connect(registry.url);
    await upstream.getManifest('a', V1);
    token = 'two';
    await upstream.getManifest('a', V1);
    const scopes = registry.seen
      .filter(isTokenRequest)
      .map(({ url }) => new URL(url, 'http://x').searchParams.getAll('scope'));
    expect(scopes).toEqual([asked, asked]);
  });

  it('of a kind that nobody knows means no', async () => {
    await using registry = await scriptedServer(() => challenge('Negotiate'));
    await using upstream = connect(registry.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'DENIED' });
  });

  it('that is nowhere means no', async () => {
    await using registry = await scriptedServer(() => ({ status: 401 }));
    await using upstream = connect(registry.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'DENIED' });
    expect(registry.seen.map(({ url }) => url)).toEqual(['/v2/a/manifests/v1', '/v2/']);
  });
});

describe('a token server that answers', () => {
  it.each<[string, ScriptedAnswer, object]>([
    ['429', { status: 429, headers: { 'retry-after': '30' } }, { code: 'RATE_LIMITED', retryAfterMs: 30_000 }],
    ['503', { status: 503 }, { code: 'UNAVAILABLE' }],
    ['a web page', { headers: { 'content-type': 'text/html' }, body: '<html>' }, { code: 'INVALID' }],
    ['no token', json({}), { code: 'INVALID' }],
    ['without end', json({ token: 't', padding: 'x'.repeat(300_000) }), { code: 'INVALID' }],
    ['a token that is no header', json({ token: 'a\nb' }), { code: 'INVALID' }],
    ['302 to nowhere', { status: 302 }, { code: 'INVALID' }],
    ['403', { status: 403 }, { code: 'DENIED' }],
    ['404', { status: 404 }, { code: 'DENIED' }],
  ])('%s', async (_, answer, expected) => {
    await using registry = await scriptedServer();
    registry.answer = (request) =>
      isTokenRequest(request) ? answer : challenge(`Bearer realm="${registry.url}/token",service="s"`);
    await using upstream = connect(registry.url, { retries: 0 });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject(expected);
  });

  it('with a redirect to another host does not get the password sent there', async () => {
    await using other = await scriptedServer(() => json({ token: 't' }));
    await using registry = await scriptedServer();
    registry.answer = (request) => {
      if (isTokenRequest(request)) return { status: 307, headers: { location: `${other.url}/token` } };
      return request.headers.authorization ? MANIFEST : challenge(`Bearer realm="${registry.url}/token",service="s"`);
    };
    await using upstream = connect(registry.url, { credentials: [CREDENTIALS] });
    await upstream.getManifest('a', V1);
    expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

it('no secret stands in an error', async () => {
  await using registry = await scriptedServer();
  registry.answer = (request) =>
    isTokenRequest(request) ? { status: 401 } : challenge(`Bearer realm="${registry.url}/token?secret=1",service="s"`);
  await using upstream = connect(registry.url, { credentials: [CREDENTIALS] });
  const error = await upstream.getManifest('a', V1).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/pass word|YWxpY2U|secret/);
});

function challenge(header: string | string[]): ScriptedAnswer {
  return { status: 401, headers: { 'www-authenticate': header } };
}

function json(value: unknown): ScriptedAnswer {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

function isTokenRequest({ url }: SeenRequest): boolean {
  return url.startsWith('/token');
}
