import { request } from 'node:http';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { ask, basic, bearer, openDoors, tokenFor } from './support/doors.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** The challenge of a door, in full. */
function challenge(registryUrl: string, scope?: string, error?: string): string {
  const { host } = new URL(registryUrl);
  const more = [...(scope ? [`,scope="${scope}"`] : []), ...(error ? [`,error="${error}"`] : [])].join('');
  return `Bearer realm="${registryUrl}/token",service="${host}"${more}`;
}

describe('whoever comes with nothing', () => {
  test.each([
    ['GET', '/v2/', undefined],
    ['GET', '/v2', undefined],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ['GET', '/v2/local/app/manifests/v1', 'repository:local/app:pull'],
    ['HEAD', '/v2/local/app/manifests/v1', 'repository:local/app:pull'],
    ['GET', `/v2/nginx/blobs/${DIGEST}`, 'repository:nginx:pull'],
    ['GET', '/v2/ghcr.io/owner/app/tags/list', 'repository:ghcr.io/owner/app:pull'],
    ['PUT', '/v2/local/app/manifests/v1', 'repository:local/app:pull,push'],
    ['DELETE', '/v2/local/app/manifests/v1', 'repository:local/app:delete'],
    ['POST', '/v2/local/app/blobs/uploads/', 'repository:local/app:pull,push'],
    ['GET', '/v2/local/app/blobs/uploads/1', 'repository:local/app:pull,push'],
    ['DELETE', '/v2/local/app/blobs/uploads/1', 'repository:local/app:pull,push'],
    [
      'POST',
      `/v2/local/app/blobs/uploads/?mount=${DIGEST}&from=local/base`,
      'repository:local/app:pull,push repository:local/base:pull',
    ],
    ['POST', `/v2/local/app/blobs/uploads/?mount=${DIGEST}`, 'repository:local/app:pull,push'],
    ['POST', `/v2/local/app/blobs/uploads/?mount=${DIGEST}&from=a"b`, 'repository:local/app:pull,push'],
    // By the path alone the token end-point would find another repository.
    ['GET', '/v2/owner/app/manifests/v1?ns=ghcr.io', 'repository:ghcr.io/owner/app:pull'],
    ['GET', '/v2/owner/app/manifests/v1?ns=unknown.example', undefined],
    ['GET', '/v2/LOCAL/app/manifests/v1', undefined],
    ['GET', '/v2/a%22b/manifests/v1', undefined],
    ['GET', '/v2/nothing/here', undefined],
  ])('is asked for a token: %s %s', async (method, path, scope) => {
    await using doors = await openDoors();
    const { status, challenge: header } = await ask(doors.registryUrl + path, {}, method);
    expect(status).toBe(401);
    expect(header).toBe(challenge(doors.registryUrl, scope));
    expect(doors.audited).toEqual([]);
  });

  test('is sent to the configured URL, if there is one', async () => {
    await using doors = await openDoors({ publicUrl: new URL('https://registry.example.com') });
    expect((await ask(`${doors.registryUrl}/v2/`)).challenge).toBe(
      'Bearer realm="https://registry.example.com/token",service="registry.example.com"',
    );
  });

  test.each([
    ['registry.example:5002', 'registry.example:5002'],
    ['Registry.Example', 'registry.example'],
    ['[::1]:5002', '[::1]:5002'],
    ['a"b', undefined],
    ['a b', undefined],
    ['user@host', undefined],
    ['host:999999', undefined],
    ['host/path', undefined],
  ])('is sent to the name that it used: %s', async (host, used) => {
    await using doors = await openDoors();
    const sending = request(`${doors.registryUrl}/v2/`, { headers: { Host: host } }).end();
    const [{ headers, statusCode }] = (await once(sending, 'response')) as [IncomingMessage];
    expect(statusCode).toBe(401);
    const name = used ?? new URL(doors.registryUrl).host;
    expect(headers['www-authenticate']).toBe(`Bearer realm="http://${name}/token",service="${name}"`);
  });
});

describe('a token', () => {
  test('of anybody lets in', async () => {
    await using doors = await openDoors({ users: undefined });
    expect((await ask(`${doors.registryUrl}/v2/`, bearer(await tokenFor(doors, [])))).status).toBe(200);
  });

  test.each([undefined, ['alice']])('without a login pulls what everybody may pull; users: %j', async (users) => {
    await using doors = await openDoors({ users });
    const headers = bearer(await tokenFor(doors, ['repository:local/app:pull']));
    expect((await ask(`${doors.registryUrl}/v2/local/app/manifests/v1`, headers)).status).toBe(200);
  });

  test('does only what it lists', async () => {
    await using doors = await openDoors();
    const headers = bearer(await tokenFor(doors, ['repository:local/app:pull'], basic('ci')));
    const url = `${doors.registryUrl}/v2/local/app/manifests/v1`;
    expect((await ask(url, headers)).status).toBe(200);
    expect(await ask(url, headers, 'PUT')).toMatchObject({
      status: 401,
      code: 'UNAUTHORIZED',
      challenge: challenge(doors.registryUrl, 'repository:local/app:pull,push', 'insufficient_scope'),
    });
    expect((await ask(`${doors.registryUrl}/v2/local/other/manifests/v1`, headers)).status).toBe(401);
    // Another token will do: nobody was refused.
    expect(doors.audited).toEqual([]);
  });

  test('pushes and deletes', async () => {
    await using doors = await openDoors();
    const headers = bearer(await tokenFor(doors, ['repository:local/app:*'], basic('ci')));
    const url = `${doors.registryUrl}/v2/local/app/manifests/v1`;
    expect((await ask(url, headers, 'PUT')).status).toBe(201);
    expect((await ask(url, headers, 'DELETE')).status).toBe(202);
    expect(doors.audited).toMatchObject([
      { who: 'ci', action: 'push', repository: 'local/app', outcome: 'allowed', status: 201 },
      { who: 'ci', action: 'delete', repository: 'local/app', outcome: 'allowed', status: 202 },
    ]);
  });

  test('writes to an upstream for those who replicate, and for nobody else', async () => {
    await using doors = await openDoors();
    const url = `${doors.registryUrl}/v2/nginx/manifests/v1`;
    const scopes = ['repository:nginx:pull,push'];
    expect((await ask(url, bearer(await tokenFor(doors, scopes, basic('peer'))), 'PUT')).status).toBe(201);
    expect(await ask(url, bearer(await tokenFor(doors, scopes, basic('ci'))), 'PUT')).toMatchObject({
      status: 403,
      code: 'DENIED',
      challenge: null,
    });
  });

  test('takes replicas to a hosted repository from those who replicate there, and no pushes', async () => {
    await using doors = await openDoors();
    const repository = `${doors.registryUrl}/v2/local/replicas/app`;
    const origin = { 'Entrepot-Origin': 'site=us-east; sequence=1; clock=1.0' };
    const headers = bearer(await tokenFor(doors, ['repository:local/replicas/app:pull,push'], basic('peer')));
    for (const credentials of [headers, basic('peer')]) {
      expect((await ask(`${repository}/blobs/uploads/`, credentials, 'POST')).status).toBe(202);
      expect((await ask(`${repository}/manifests/v1`, { ...credentials, ...origin }, 'PUT')).status).toBe(201);
      expect((await ask(`${repository}/manifests/v1`, { ...credentials, ...origin }, 'DELETE')).status).toBe(202);
      expect((await ask(`${repository}/manifests/v1`, credentials, 'PUT')).status).toBe(403);
    }
    const ci = bearer(await tokenFor(doors, ['repository:local/replicas/app:pull,push'], basic('ci')));
    expect((await ask(`${repository}/manifests/v1`, ci, 'PUT')).status).toBe(201);
    expect((await ask(`${repository}/manifests/v1`, { ...ci, ...origin }, 'PUT')).status).toBe(403);
  });

  test('that lists nothing is no reason to turn away who replicates: another token will do', async () => {
    await using doors = await openDoors();
    const headers = bearer(await tokenFor(doors, ['repository:local/replicas/app:pull'], basic('peer')));
    const url = `${doors.registryUrl}/v2/local/replicas/app/blobs/uploads/`;
    expect(await ask(url, headers, 'POST')).toMatchObject({
      status: 401,
      challenge: challenge(doors.registryUrl, 'repository:local/replicas/app:pull,push', 'insufficient_scope'),
    });
    const elsewhere = `${doors.registryUrl}/v2/local/app/blobs/uploads/`;
    expect(await ask(elsewhere, headers, 'POST')).toMatchObject({ status: 403, code: 'DENIED' });
  });

  test('of a user who may not is 403, of anybody 401', async () => {
    await using doors = await openDoors();
    const url = `${doors.registryUrl}/v2/local/secret/app/manifests/v1`;
    const scopes = ['repository:local/secret/app:pull'];
    expect((await ask(url, bearer(await tokenFor(doors, scopes, basic('alice'))))).status).toBe(200);
    expect(await ask(url, bearer(await tokenFor(doors, scopes, basic('peer'))))).toMatchObject({ status: 403 });
    expect(await ask(url, bearer(await tokenFor(doors, scopes)))).toMatchObject({
      status: 401,
      challenge: challenge(doors.registryUrl, scopes[0], 'insufficient_scope'),
    });
    expect(doors.audited).toMatchObject([
      { who: 'peer', action: 'pull', repository: 'local/secret/app', outcome: 'denied', status: 403 },
      { who: 'anonymous', action: 'pull', repository: 'local/secret/app', outcome: 'denied', status: 401 },
    ]);
  });

  test('that is over or was never ours is told as such', async () => {
    await using doors = await openDoors();
    const token = await tokenFor(doors, ['repository:local/app:pull']);
    const url = `${doors.registryUrl}/v2/local/app/manifests/v1`;
    const wanted = {
      status: 401,
      challenge: challenge(doors.registryUrl, 'repository:local/app:pull', 'invalid_token'),
    };
    expect(await ask(url, bearer(`${token}x`))).toMatchObject(wanted);
    doors.opened.passTime(306_000);
    expect(await ask(url, bearer(token))).toMatchObject(wanted);
  });

  test('lists the catalog if it says so, and then what its owner may pull', async () => {
    await using doors = await openDoors();
    const url = `${doors.registryUrl}/v2/_catalog`;
    const names = async (headers: Record<string, string>) =>
      ((await (await fetch(url, { headers })).json()) as { repositories: string[] }).repositories;
    expect(await names(bearer(await tokenFor(doors, ['registry:catalog:*'])))).toEqual([
      'docker.io/library/nginx',
      'local/app',
    ]);
    expect(await names(bearer(await tokenFor(doors, ['registry:catalog:*'], basic('alice'))))).toContain(
      'local/secret/app',
    );
    expect(await names(basic('alice'))).toContain('local/secret/app');
    expect(await ask(url, bearer(await tokenFor(doors, [])))).toMatchObject({
      status: 401,
      challenge: challenge(doors.registryUrl, 'registry:catalog:*', 'insufficient_scope'),
    });
  });
});

describe('a login that comes unasked', () => {
  test('does what its owner may', async () => {
    await using doors = await openDoors();
    const url = `${doors.registryUrl}/v2/local/app/manifests/v1`;
    expect((await ask(`${doors.registryUrl}/v2/`, basic('ci'))).status).toBe(200);
    expect((await ask(url, basic('ci'), 'PUT')).status).toBe(201);
    expect(await ask(url, basic('alice'), 'PUT')).toMatchObject({ status: 403, code: 'DENIED', challenge: null });
  });

  test('with a wrong password is asked for a token, and noted', async () => {
    await using doors = await openDoors();
    expect(await ask(`${doors.registryUrl}/v2/`, basic('ci', 'wrong'))).toMatchObject({
      status: 401,
      code: 'UNAUTHORIZED',
      challenge: challenge(doors.registryUrl),
    });
    expect(doors.audited).toEqual([
      {
        who: 'ci',
        action: 'login',
        address: '127.0.0.1',
        requestId: 'request-1',
        outcome: 'denied',
        status: 401,
      },
    ]);
  });

  test('after too many failures has to wait', async () => {
    await using doors = await openDoors();
    for (let time = 0; time < 10; time += 1) await ask(`${doors.registryUrl}/v2/`, basic('ci', `${time}`));
    expect(await ask(`${doors.registryUrl}/v2/`, basic('ci'))).toEqual({
      status: 429,
      code: 'TOOMANYREQUESTS',
      challenge: null,
      retryAfter: '60',
    });
    // What was not compared is not noted: it comes as often as somebody likes.
    await ask(`${doors.registryUrl}/v2/`, basic('ci', '1'));
    expect(doors.audited.at(-1)).toMatchObject({ who: 'ci', action: 'login', outcome: 'denied', status: 401 });
    expect(doors.audited).toHaveLength(10);
  });

  test.each(['Basic', 'Digest username="ci"', 'Negotiate abc'])('that is "%s" is asked for a token', async (header) => {
    await using doors = await openDoors();
    expect(await ask(`${doors.registryUrl}/v2/`, { Authorization: header })).toMatchObject({
      status: 401,
      challenge: challenge(doors.registryUrl),
    });
  });
});
