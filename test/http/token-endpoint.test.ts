import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { isTokenUrl } from '../../src/http/token-endpoint.ts';
import { basic, openDoors, type TestDoors } from './support/doors.ts';

interface TokenJson {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly scope?: string;
  readonly token_type?: string;
}

async function get(
  { registryUrl }: TestDoors,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ response: Response; body: TokenJson }> {
  const response = await fetch(`${registryUrl}/token${query}`, { headers });
  return { response, body: (await response.json()) as TokenJson };
}

async function post(
  { registryUrl }: TestDoors,
  fields: Readonly<Record<string, string>> | string,
  headers: Readonly<Record<string, string>> = { 'Content-Type': 'application/x-www-form-urlencoded' },
): Promise<{ response: Response; body: TokenJson & { error?: string; error_description?: string } }> {
  const body = typeof fields === 'string' ? fields : new URLSearchParams(fields).toString();
  const response = await fetch(`${registryUrl}/token`, { method: 'POST', headers, body });
  return { response, body: (await response.json()) as TokenJson };
}

/** What a token may do, by repository. */
function accessOf(token: string): object {
  const access = decodeJwt(token)['access'] as { name: string; actions: string[] }[];
  return Object.fromEntries(access.map(({ name, actions }) => [name, actions.join()]));
}

describe('GET /token', () => {
  test("answers in the words of Docker's protocol", async () => {
    await using doors = await openDoors();
    const { response, body } = await get(doors, '?service=here&scope=repository:local/app:pull,push', basic('ci'));
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(body).toEqual({
      token: expect.any(String),
      access_token: body.token,
      expires_in: 300,
      issued_at: '2026-01-01T00:00:00.000Z',
    });
    expect(decodeJwt(body.token).sub).toBe('ci');
    expect(accessOf(body.token)).toEqual({ 'local/app': 'pull,push' });
  });

  test.each<[string, string, Record<string, string>, object]>([
    ['nothing', '', {}, {}],
    ["what a client's login asks for", '?account=ci&client_id=docker&offline_token=true&service=here', basic('ci'), {}],
    ['a pull without a login', '?scope=repository:nginx:pull', {}, { 'docker.io/library/nginx': 'pull' }],
    ['more than is allowed', '?scope=repository:local/app:*', {}, { 'local/app': 'pull' }],
    ['what is not allowed at all', '?scope=repository:local/secret/a:pull', {}, {}],
    [
      'several scopes, each by itself or all in one',
      '?scope=repository:local/a:push&scope=repository:local/b:pull%20registry:catalog:*',
      basic('ci'),
      { 'local/a': 'push', 'local/b': 'pull', catalog: '*' },
    ],
    ['scopes that nobody knows', '?scope=plugin:x:y&scope=repository:UPPER:pull&scope=', {}, {}],
  ])('for %s gives a token for what is allowed', async (_, query, headers, access) => {
    await using doors = await openDoors();
    const { response, body } = await get(doors, query, headers);
    expect(response.status).toBe(200);
    expect(accessOf(body.token)).toEqual(access);
  });

  test('gives tokens to nobody in particular where nobody can log in', async () => {
    await using doors = await openDoors({ users: undefined });
    const { body } = await get(doors, '?scope=repository:local/app:pull');
    expect(decodeJwt(body.token).sub).toBe('');
    expect((await get(doors, '', basic('ci'))).response.status).toBe(401);
  });

  test.each([
    ['a wrong password', basic('ci', 'wrong')],
    ['an unknown user', basic('mallory')],
    ['another scheme', { Authorization: 'Bearer abc' }],
  ])('with %s is refused', async (_, headers) => {
    await using doors = await openDoors();
    const { response, body } = await get(doors, '?service=here', headers);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe(
      `Basic realm="${new URL(doors.registryUrl).host}", charset="UTF-8"`,
    );
    expect(body).toEqual({ errors: [{ code: 'UNAUTHORIZED', message: expect.any(String) }] });
  });

  test('after too many failures says when to come again, and the failures are noted', async () => {
    await using doors = await openDoors();
    for (let time = 0; time < 10; time += 1) await get(doors, '', basic('ci', `${time}`));
    const { response } = await get(doors, '', basic('ci'));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('60');
    expect(doors.audited).toHaveLength(10);
    expect(doors.audited[0]).toEqual({
      who: 'ci',
      action: 'login',
      address: '127.0.0.1',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      outcome: 'denied',
      status: 401,
    });
  });

  test('covers thirty-two scopes at most', async () => {
    await using doors = await openDoors();
    const scopes = (count: number) =>
      Array.from({ length: count }, (_, number) => `scope=repository:local/app${number}:pull`).join('&');
    const { response, body } = await get(doors, `?${scopes(32)}`, basic('ci'));
    expect(response.status).toBe(200);
    expect(Object.keys(accessOf(body.token))).toHaveLength(32);
    expect((await get(doors, `?${scopes(33)}`, basic('ci'))).response.status).toBe(400);
  });
});

describe('POST /token', () => {
  const LOGIN = { grant_type: 'password', service: 'here', client_id: 'a client', username: 'ci', password: 'secret' };

  test('answers in the words of OAuth2', async () => {
    await using doors = await openDoors();
    const scope = 'repository:local/app:pull,push repository:nginx:pull,push repository:ghcr.io/a/b:push';
    const { response, body } = await post(doors, { ...LOGIN, access_type: 'offline', scope });
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      token: body.access_token,
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 300,
      issued_at: '2026-01-01T00:00:00.000Z',
      scope: 'repository:local/app:pull,push repository:nginx:pull',
    });
    expect(accessOf(body.access_token)).toEqual({ 'local/app': 'pull,push', 'docker.io/library/nginx': 'pull' });
  });

  test.each([
    ['a wrong password', { ...LOGIN, password: 'wrong' }, 401, 'invalid_grant'],
    ['a refresh token', { ...LOGIN, grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'unsupported_grant_type'],
    ['an unknown grant', { ...LOGIN, grant_type: 'magic' }, 400, 'unsupported_grant_type'],
    ['no grant', { username: 'ci', password: 'secret' }, 400, 'invalid_request'],
    ['no user', { grant_type: 'password', password: 'secret' }, 400, 'invalid_request'],
    ['no password', { grant_type: 'password', username: 'ci' }, 400, 'invalid_request'],
    ['too many scopes', { ...LOGIN, scope: 'registry:catalog:* '.repeat(33) }, 400, 'invalid_request'],
    ['too large a body', { ...LOGIN, scope: 'x'.repeat(70_000) }, 400, 'invalid_request'],
  ])('with %s is refused in the words of OAuth2', async (_, fields, status, error) => {
    await using doors = await openDoors();
    const { response, body } = await post(doors, fields);
    expect(response.status).toBe(status);
    expect(body).toEqual({ error, error_description: expect.any(String) });
  });

  test('takes no other kind of body', async () => {
    await using doors = await openDoors();
    const { response, body } = await post(doors, JSON.stringify(LOGIN), { 'Content-Type': 'application/json' });
    expect([response.status, body.error]).toEqual([400, 'invalid_request']);
  });

  test('takes no endless body without a length', async () => {
    await using doors = await openDoors();
    const endless = new ReadableStream<Uint8Array>({ pull: (stream) => stream.enqueue(Buffer.alloc(16_384, 'x')) });
    const response = await fetch(`${doors.registryUrl}/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: endless,
      duplex: 'half',
    }).catch((error: unknown) => error);
    // The answer comes, or the connection is gone before it is read.
    expect(response instanceof Response ? response.status : 400).toBe(400);
  });

  test('after too many failures says when to come again', async () => {
    await using doors = await openDoors();
    for (let time = 0; time < 10; time += 1) await post(doors, { ...LOGIN, password: `${time}` });
    const { response, body } = await post(doors, LOGIN);
    expect([response.status, body.error]).toEqual([429, 'temporarily_unavailable']);
    expect(response.headers.get('retry-after')).toBe('60');
  });
});

test.each(['PUT', 'DELETE', 'HEAD'])('%s /token is not possible', async (method) => {
  await using doors = await openDoors();
  const response = await fetch(`${doors.registryUrl}/token`, { method });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, POST');
});

test.each([
  ['/token', true],
  ['/token?service=a', true],
  ['/token/', false],
  ['/tokens', false],
  ['/v2/token', false],
])('%s is a URL of the token end-point: %s', (url, isOne) => {
  expect(isTokenUrl(url)).toBe(isOne);
});
