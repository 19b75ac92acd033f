import { describe, expect, test } from 'vitest';
import { sha256 } from '../support/bytes.ts';
import { expectContent, expectError } from './support/expect.ts';
import { imageManifest, MANIFEST } from './support/manifests.ts';
import { openUpload, pushManifest, putManifest } from './support/push.ts';
import { basic, type Client, jsonOf, send } from './support/send.ts';
import { asUser, at, atMirror, setStage } from './support/stage.ts';
import { bearing, expectChallenge, tokenFor } from './support/tokens.ts';

const stage = setStage();

/** An image in an open and in a secret repository. */
async function pushed(repository?: string): Promise<{ client: Client; digest: string; bytes: Buffer }> {
  const own = stage.client();
  const client = repository === undefined ? own : at(own, repository);
  const manifest = await imageManifest(client);
  const { digest } = await pushManifest(client, 'v1', manifest);
  return { client, digest, bytes: Buffer.from(JSON.stringify(manifest)) };
}

describe("the mirror's door", () => {
  test('never challenges, whatever is asked and whoever asks', async () => {
    const { client } = await pushed('local/secret/mirror');
    const mirror = asUser(atMirror(stage, client), undefined);
    for (const Authorization of [
      '',
      basic('ci', 'wrong'),
      basic('nobody'),
      'Bearer x.y.z',
      'Basic !!',
      'Digest a="b"',
    ]) {
      const headers = { Authorization };
      for (const [method, path] of [
        ['GET', 'manifests/v1'],
        ['HEAD', 'manifests/v1'],
        ['GET', `blobs/${sha256(Buffer.from('x'))}`],
        ['POST', 'blobs/uploads/'],
        ['PUT', 'manifests/v1'],
        ['DELETE', 'manifests/v1'],
        ['GET', 'tags/list'],
        ['GET', `referrers/${sha256(Buffer.from('x'))}`],
      ] as const) {
        const answer = await send(mirror, method, path, { headers, from: '127.0.1.1' });
        expect(answer.status, `${method} ${path}`).toBe(403);
        expect(answer.headers['www-authenticate']).toBeUndefined();
        if (method !== 'HEAD') expectError(answer, 403, 'DENIED');
      }
    }
  });

  test('serves what anonymous may pull to those with wrong credentials, and takes right ones', async () => {
    const { client, digest, bytes } = await pushed();
    const mirror = asUser(atMirror(stage, client), undefined);
    for (const Authorization of [basic('ci', 'wrong'), basic('nobody'), 'Bearer x.y.z']) {
      const answer = await send(mirror, 'GET', 'manifests/v1', { headers: { Authorization }, from: '127.0.1.2' });
      expectContent(answer, digest, MANIFEST, bytes);
    }
    expect((await putManifest(atMirror(stage, client), 'v2', bytes, MANIFEST)).status).toBe(201);
    const secret = await pushed('local/secret/mirror');
    expectContent(await send(atMirror(stage, secret.client), 'GET', 'manifests/v1'), secret.digest, MANIFEST);
  });
});

describe("the registry's door", () => {
  test('lets nobody pull without a token, and gives everyone one for what anonymous may pull', async () => {
    const { client, digest, bytes } = await pushed();
    const anonymous = asUser(client, undefined);
    const challenge = expectChallenge(await send(anonymous, 'GET', 'manifests/v1'));
    expect(challenge['scope']).toBe(`repository:${client.repository}:pull`);
    expect(challenge['realm']).toBe(`${client.url}/token`);
    const token = await tokenFor(client, challenge);
    expectContent(await send(anonymous, 'GET', 'manifests/v1', bearing(token)), digest, MANIFEST, bytes);
    expect((await send(anonymous, 'GET', '/v2/', bearing(token))).status).toBe(200);
    const refused = await send(anonymous, 'POST', 'blobs/uploads/', bearing(token));
    expect(expectChallenge(refused)).toMatchObject({ error: 'insufficient_scope' });
  });

  test('gives no anonymous token for what is secret', async () => {
    const { client } = await pushed('local/secret/app');
    const anonymous = asUser(client, undefined);
    const token = await tokenFor(client, expectChallenge(await send(anonymous, 'GET', 'manifests/v1')));
    expectChallenge(await send(anonymous, 'GET', 'manifests/v1', bearing(token)));
  });

  test('names itself in the challenge as the client called it', async () => {
    const headers = { Host: 'registry.example.com:5002' };
    const answer = await send(asUser(stage.client(), undefined), 'GET', '/v2/', { headers });
    expect(expectChallenge(answer)['realm']).toBe('http://registry.example.com:5002/token');
  });

  test('takes a token of who may push for a push, of that repository alone', async () => {
    const { client, digest, bytes } = await pushed();
    const anonymous = asUser(client, undefined);
    const challenge = expectChallenge(await send(anonymous, 'POST', 'blobs/uploads/'));
    expect(challenge['scope']).toMatch(new RegExp(`^repository:${client.repository}:(pull,push|push,pull|push)$`));
    const token = await tokenFor(client, challenge, 'ci');
    expect((await send(anonymous, 'POST', 'blobs/uploads/', bearing(token))).status).toBe(202);
    const headers = { ...bearing(token).headers, 'Content-Type': MANIFEST };
    expect((await send(anonymous, 'PUT', 'manifests/v2', { headers, body: bytes })).status).toBe(201);
    const elsewhere = at(anonymous, `${client.repository}/below`);
    const refused = expectChallenge(await send(elsewhere, 'POST', 'blobs/uploads/', bearing(token)));
    expect(refused).toMatchObject({
      error: 'insufficient_scope',
      scope: expect.stringContaining(elsewhere.repository),
    });
    expectContent(await send(client, 'GET', `manifests/${digest}`), digest, MANIFEST, bytes);
  });

  test('gives a user no more than is permitted, and denies what is not', async () => {
    const { client } = await pushed();
    const anonymous = asUser(client, undefined);
    const challenge = expectChallenge(await send(anonymous, 'POST', 'blobs/uploads/'));
    const token = await tokenFor(client, challenge, 'rita');
    const answer = await send(anonymous, 'POST', 'blobs/uploads/', bearing(token));
    expect([401, 403]).toContain(answer.status);
    expectError(await send(asUser(client, 'rita'), 'POST', 'blobs/uploads/'), 403, 'DENIED');
    expectError(await putManifest(asUser(client, 'rita'), 'v2', {}), 403, 'DENIED');
    expect((await send(asUser(client, 'rita'), 'GET', 'manifests/v1')).status).toBe(200);
  });

  test('refuses a wrong password and a token that is none, with a challenge', async () => {
    const client = asUser(stage.client(), undefined);
    for (const Authorization of [
      basic('ci', 'wrong'),
      basic('nobody'),
      'Bearer x.y.z',
      'Bearer',
      'Basic !!',
      'Odd x',
    ]) {
      for (const path of ['/v2/', 'manifests/v1']) {
        expectChallenge(await send(client, 'GET', path, { headers: { Authorization }, from: '127.0.1.3' }));
      }
    }
    const { realm = '', service = '' } = expectChallenge(await send(client, 'GET', '/v2/'));
    const login = await send(client, 'GET', `${realm}?service=${encodeURIComponent(service)}`, {
      headers: { Authorization: basic('ci', 'wrong') },
      from: '127.0.1.4',
    });
    expectError(login, 401, 'UNAUTHORIZED');
  });

  test('refuses a token that was tampered with', async () => {
    const { client } = await pushed();
    const anonymous = asUser(client, undefined);
    const token = await tokenFor(client, expectChallenge(await send(anonymous, 'GET', 'manifests/v1')), 'ci');
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const longer = encode({ ...claims, exp: 9_999_999_999 });
    for (const forged of [
      `${header}.${longer}.${signature}`,
      `${encode({ alg: 'none', typ: 'JWT' })}.${longer}.`,
      `${header}.${payload}.${signature.split('').toReversed().join('')}`,
      `${header}.${payload}`,
    ]) {
      expectChallenge(await send(anonymous, 'GET', 'manifests/v1', bearing(forged)));
    }
  });

  test('gives tokens by OAuth2 too', async () => {
    const { client, digest, bytes } = await pushed();
    const {
      realm = '',
      service = '',
      scope = '',
    } = expectChallenge(await send(asUser(client, undefined), 'GET', 'manifests/v1'));
    const form = { grant_type: 'password', username: 'ci', password: 'secret', client_id: 'test', service, scope };
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams(form).toString();
    const answer = await send(asUser(client, undefined), 'POST', realm, { headers, body });
    expect(answer.status, answer.body.toString()).toBe(200);
    const { access_token: token = '' } = jsonOf(answer) as Record<string, string>;
    const got = await send(asUser(client, undefined), 'GET', 'manifests/v1', bearing(token));
    expectContent(got, digest, MANIFEST, bytes);
    const wrong = new URLSearchParams({ ...form, password: 'wrong' }).toString();
    const wrongly = { headers, body: wrong, from: '127.0.1.5' };
    expect([400, 401]).toContain((await send(asUser(client, undefined), 'POST', realm, wrongly)).status);
  });

  test("takes the tokens that it gave after a restart, and at the mirror's door", async () => {
    const { client, digest, bytes } = await pushed('local/secret/restart');
    const challenge = expectChallenge(await send(asUser(client, undefined), 'GET', 'manifests/v1'));
    const token = await tokenFor(client, challenge, 'ci');
    await stage.server.restart();
    const again = { ...asUser(stage.client(), undefined), repository: client.repository };
    for (const door of [again, atMirror(stage, again)]) {
      expectContent(await send(door, 'GET', 'manifests/v1', bearing(token)), digest, MANIFEST, bytes);
    }
    expect(await openUpload(stage.client())).toMatch(/^\//);
  });
});
