import { describe, expect, it } from 'vitest';
import type { UpstreamCredentials } from '../../src/upstream/credentials.ts';
import { Secret } from '../../src/util/secret.ts';
import { buildImage } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { connect, digest, quietTelemetry, readAll, ref } from './connect.ts';

const V1 = ref('v1');
const ALICE = { alice: 'wonder:land' };
const RIGHT: UpstreamCredentials = { type: 'basic', username: 'alice', password: new Secret('wonder:land') };
const WRONG: UpstreamCredentials = { type: 'basic', username: 'alice', password: new Secret('wrong') };

describe('a registry that wants tokens', () => {
  it('is sent a token ahead of time once it has asked', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', service: 'the service' } });
    buildImage(origin, 'a/b', 'v1');
    await using upstream = connect(origin.url);
    await upstream.headManifest('a/b', V1);
    await upstream.getManifest('a/b', V1);
    await upstream.getManifest('a/b', V1);
    expect(statusesOf(origin)).toEqual([401, 200, 200, 200]);
    expect(origin.tokenRequests.map(({ url }) => Object.fromEntries(new URL(url, 'http://x').searchParams))).toEqual([
      { client_id: 'entrepot', scope: 'repository:a/b:pull', service: 'the service' },
    ]);
  });

  it('is asked for one token by twenty callers', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', server: 'other' } });
    buildImage(origin, 'a/b', 'v1');
    await using upstream = connect(origin.url);
    await Promise.all(Array.from({ length: 20 }, () => upstream.getManifest('a/b', V1)));
    expect(origin.tokenRequests).toHaveLength(1);
    origin.expireTokens();
    await Promise.all(Array.from({ length: 20 }, () => upstream.getManifest('a/b', V1)));
    expect(origin.tokenRequests).toHaveLength(2);
  });

  it('is asked for a new token before the old one runs out', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', expiresIn: 300 } });
    buildImage(origin, 'a/b', 'v1');
    const clock = { now: 1000 };
    await using upstream = connect(origin.url, {}, { now: () => clock.now });
    await upstream.getManifest('a/b', V1);
    clock.now += 280_000;
    await upstream.getManifest('a/b', V1);
    expect(origin.tokenRequests).toHaveLength(2);
    expect(statusesOf(origin)).toEqual([401, 200, 200]);
  });

  it.each([
    ['401', undefined],
    ['400, as ECR Public does', { status: 400, body: 'expired' }],
    ['403, as ECR does', { status: 403, body: 'Your Authorization Token has expired. Please run ...' }],
  ])('may refuse an old token with %s', async (_, invalidToken) => {
    const auth = { type: 'bearer', expiresIn: 1, ...(invalidToken && { invalidToken }) } as const;
    await using origin = await startOrigin({ auth });
    buildImage(origin, 'a/b', 'v1');
    await using upstream = connect(origin.url);
    await upstream.getManifest('a/b', V1);
    origin.expireTokens();
    expect((await upstream.getManifest('a/b', V1)).bytes.length).toBeGreaterThan(0);
    expect(origin.tokenRequests).toHaveLength(2);
  });

  it.each([
    ['names no service', { service: null }],
    ['names its challenge at /v2/ only', { challengeEverywhere: false }],
    ['calls it access_token', { tokenField: 'access_token' }],
    ['does not say for how long', { tellExpiresIn: false }],
    ['has its token server elsewhere', { server: 'other' }],
    ['knows both kinds of token requests', { method: 'both' }],
  ] as const)('works when it %s', async (_, options) => {
    await using origin = await startOrigin({ auth: { type: 'bearer', ...options } });
    const { digest: wanted } = buildImage(origin, 'a/b', 'v1');
    await using upstream = connect(origin.url);
    expect((await upstream.getManifest('a/b', V1)).digest).toBe(wanted);
  });

  it.each(['empty', 401, 403] as const)('denies what is private (its token server says %s)', async (denied) => {
    await using origin = await startOrigin({ auth: { type: 'bearer', anonymous: false, denied } });
    buildImage(origin, 'a/b', 'v1');
    await using upstream = connect(origin.url);
    await expect(upstream.getManifest('a/b', V1)).rejects.toMatchObject({ code: 'DENIED' });
    await expect(upstream.getManifest('a/b', V1)).rejects.toMatchObject({ code: 'DENIED' });
  });
});

describe('credentials for a token server', () => {
  it('go there, and nowhere else', async () => {
    const auth = { type: 'bearer', credentials: ALICE, server: 'other' } as const;
    await using origin = await startOrigin({ auth, redirectBlobs: { to: 'other' } });
    const image = buildImage(origin, 'a/b', 'v1');
    await using upstream = connect(origin.url, { credentials: [RIGHT] });
    await upstream.getManifest('a/b', V1);
    await using blob = await upstream.getBlob('a/b', digest(image.config), undefined);
    await readAll(blob.body);
    expect(sentTo(origin.tokenRequests)).toEqual([basic('alice:wonder:land')]);
    expect(sentTo(origin.requests).every((header) => header === '' || header.startsWith('Bearer '))).toBe(true);
    expect(sentTo(origin.cdnRequests)).toEqual(['']);
  });

  it('that are wrong do not break public repositories, and rest for a minute', async () => {
    const auth = { type: 'bearer', credentials: ALICE, anonymous: true } as const;
    await using origin = await startOrigin({ auth });
    for (const name of ['a', 'b', 'c', 'd']) buildImage(origin, name, 'v1');
    const clock = { now: 1000 };
    const telemetry = quietTelemetry();
    const reports: object[] = [];
    telemetry.credentialsRefused = (event) => void reports.push(event);
    await using upstream = connect(origin.url, { credentials: [WRONG] }, { telemetry, now: () => clock.now });
    await Promise.all(['a', 'b', 'c'].map((name) => upstream.getManifest(name, V1)));
    expect(withCredentials(origin)).toBe(1);
    expect(reports).toHaveLength(1);
    clock.now += 61_000;
    await upstream.getManifest('d', V1);
    expect(withCredentials(origin)).toBe(2);
  });

  it('that are wrong are named as the reason where nothing is public', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', credentials: ALICE } });
    buildImage(origin, 'a', 'v1');
    await using upstream = connect(origin.url, { credentials: [WRONG] });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(withCredentials(origin)).toBe(1);
  });

  it.each(['empty', 401, 403] as const)(
    'stay in use when they are of no use for one repository (%s)',
    async (denied) => {
      await using origin = await startOrigin({
        auth: { type: 'bearer', credentials: ALICE, denied, allowed: allButSecret },
      });
      for (const name of ['a', 'secret', 'b']) buildImage(origin, name, 'v1');
      await using upstream = connect(origin.url, { credentials: [RIGHT] });
      await upstream.getManifest('a', V1);
      await expect(upstream.getManifest('secret', V1)).rejects.toMatchObject({ code: 'DENIED' });
      await upstream.getManifest('b', V1);
    },
  );

  it('stay in use when the first repository of all is refused with 403', async () => {
    await using origin = await startOrigin({
      auth: { type: 'bearer', credentials: ALICE, denied: 403, allowed: allButSecret },
    });
    for (const name of ['secret', 'b']) buildImage(origin, name, 'v1');
    await using upstream = connect(origin.url, { credentials: [RIGHT] });
    await expect(upstream.getManifest('secret', V1)).rejects.toMatchObject({ code: 'DENIED' });
    await upstream.getManifest('b', V1);
  });

  it('are posted where GET is not known, from then on at once', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', credentials: ALICE, method: 'post' } });
    for (const name of ['a', 'b']) buildImage(origin, name, 'v1');
    await using upstream = connect(origin.url, { credentials: [RIGHT] });
    await upstream.getManifest('a', V1);
    await upstream.getManifest('b', V1);
    expect(origin.tokenRequests.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST']);
  });

  it('may be an identity token', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', credentials: ALICE, method: 'both' } });
    buildImage(origin, 'a', 'v1');
    const login = await fetch(`${origin.tokenUrl}?service=origin&offline_token=true`, {
      headers: { authorization: basic('alice:wonder:land') },
    });
    const { refresh_token: token } = (await login.json()) as { refresh_token: string };
    await using upstream = connect(origin.url, { credentials: [{ type: 'identityToken', token: new Secret(token) }] });
    await upstream.getManifest('a', V1);
    expect(origin.tokenRequests.at(-1)?.method).toBe('POST');
    await using other = connect(origin.url, { credentials: [{ type: 'identityToken', token: new Secret('no') }] });
    await expect(other.getManifest('a', V1)).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  });
});

describe('a registry that wants a password', () => {
  it('gets it, from the second request on ahead of time', async () => {
    await using origin = await startOrigin({ auth: { type: 'basic', credentials: ALICE } });
    buildImage(origin, 'a', 'v1');
    await using upstream = connect(origin.url, { credentials: [RIGHT] });
    await upstream.getManifest('a', V1);
    await upstream.getManifest('a', V1);
    expect(sentTo(origin.requests)).toEqual(['', basic('alice:wonder:land'), basic('alice:wonder:land')]);
  });

  it('is sent a wrong one once in a minute', async () => {
    await using origin = await startOrigin({ auth: { type: 'basic', credentials: ALICE } });
    for (const name of ['a', 'b']) buildImage(origin, name, 'v1');
    await using upstream = connect(origin.url, { credentials: [WRONG] });
    for (const name of ['a', 'a', 'b']) {
      await expect(upstream.getManifest(name, V1)).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    }
    expect(sentTo(origin.requests).filter((header) => header !== '')).toEqual([basic('alice:wrong')]);
  });

  it('denies who has none', async () => {
    await using origin = await startOrigin({ auth: { type: 'basic', credentials: ALICE } });
    buildImage(origin, 'a', 'v1');
    await using upstream = connect(origin.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'DENIED' });
  });

  it('is asked once more when it says that the password has expired (ECR)', async () => {
    await using origin = await startOrigin({ auth: { type: 'basic', credentials: ALICE } });
    buildImage(origin, 'a', 'v1');
    const body = "Your Authorization Token has expired. Please run 'aws ecr get-login' to fetch a new one.";
    origin.fault({ path: 'manifests' }, { kind: 'status', status: 403, body }, { times: 1 });
    await using upstream = connect(origin.url, { credentials: [RIGHT] });
    await upstream.getManifest('a', V1);
    origin.fault({ path: 'manifests' }, { kind: 'status', status: 403, body });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'DENIED', status: 403 });
  });
});

function allButSecret(_: string, repository: string): boolean {
  return repository !== 'secret';
}

function statusesOf(origin: Origin): number[] {
  return origin.requests.map(({ status }) => status);
}

function sentTo(requests: Origin['requests']): string[] {
  return requests.map(({ headers }) => headers.authorization ?? '');
}

function withCredentials(origin: Origin): number {
  return origin.tokenRequests.filter(({ headers }) => headers.authorization !== undefined).length;
}

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString('base64')}`;
}
