import { generateKeyPairSync } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { decodeJwt, decodeProtectedHeader, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { Access } from '../../src/access/access.ts';
import { ANONYMOUS } from '../../src/access/principal.ts';
import { type TokenContent, Tokens } from '../../src/access/tokens.ts';
import { openAccess, type TestAccess } from './support/open-access.ts';

const CONTENT: TokenContent = {
  principal: { name: 'alice', isAnonymous: false },
  grants: [{ repository: 'docker.io/library/nginx', actions: ['pull', 'replicate'] }],
  mayList: true,
};
const START_SECONDS = Date.UTC(2026, 0, 1) / 1000;

function reopen({ keyFile, telemetry }: TestAccess): Promise<Access> {
  const now = () => START_SECONDS * 1000;
  return Access.open({ htpasswdFile: undefined, policy: undefined, keyFile, site: 'here', telemetry }, { now });
}

describe('a token', () => {
  test('says what it was issued for', async () => {
    await using opened = await openAccess();
    const { token, issuedAtMs, lifeSeconds } = await opened.access.issueToken(CONTENT);
    expect({ issuedAtMs, lifeSeconds }).toEqual({ issuedAtMs: START_SECONDS * 1000, lifeSeconds: 300 });
    expect(await opened.access.readToken(token)).toEqual(CONTENT);
    // The second time from memory.
    expect(await opened.access.readToken(token)).toEqual(CONTENT);
  });

  test("has the claims of Docker's protocol", async () => {
    await using opened = await openAccess();
    const { token } = await opened.access.issueToken(CONTENT);
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'JWT' });
    expect(decodeJwt(token)).toEqual({
      iss: 'here',
      sub: 'alice',
      aud: 'here',
      iat: START_SECONDS,
      nbf: START_SECONDS,
      exp: START_SECONDS + 300,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      access: [
        { type: 'repository', name: 'docker.io/library/nginx', actions: ['pull', 'replicate'] },
        { type: 'registry', name: 'catalog', actions: ['*'] },
      ],
    });
  });

  test('of anonymous has an empty subject', async () => {
    await using opened = await openAccess({ users: undefined });
    const content = { principal: ANONYMOUS, grants: [], mayList: false };
    const { token } = await opened.access.issueToken(content);
    expect(decodeJwt(token).sub).toBe('');
    expect(await opened.access.readToken(token)).toEqual(content);
  });

  test.each([true, false])('ends after five minutes, remembered: %s', async (isRemembered) => {
    await using opened = await openAccess();
    const { token } = await opened.access.issueToken(CONTENT);
    if (isRemembered) await opened.access.readToken(token);
    opened.passTime(299_000);
    expect(await opened.access.readToken(token)).toEqual(CONTENT);
    opened.passTime(6_000);
    expect(await opened.access.readToken(token)).toBeUndefined();
  });

  test('of somebody who is no user counts for nothing', async () => {
    await using opened = await openAccess({ users: ['bob'] });
    const { token } = await opened.access.issueToken(CONTENT);
    expect(await opened.access.readToken(token)).toBeUndefined();
  });

  test('outlives a restart', async () => {
    await using opened = await openAccess();
    const { token } = await opened.access.issueToken({ ...CONTENT, principal: ANONYMOUS });
    using again = await reopen(opened);
    expect(await again.readToken(token)).toEqual({ ...CONTENT, principal: ANONYMOUS });
  });
});

describe('no token of ours', () => {
  const now = () => START_SECONDS * 1000;
  const key = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  const tokens = new Tokens(key, 'here', now);
  const claims = (alg = 'ES256') =>
    new SignJWT({ access: [] })
      .setProtectedHeader({ alg })
      .setSubject('')
      .setIssuer('here')
      .setAudience('here')
      .setIssuedAt(START_SECONDS)
      .setNotBefore(START_SECONDS)
      .setExpirationTime(START_SECONDS + 60);

  test('but one that is made like this one is', async () => {
    expect(await tokens.read(await claims().sign(key))).toEqual({ principal: ANONYMOUS, grants: [], mayList: false });
  });

  test.each<[string, () => Promise<string> | string]>([
    ['is one of another key', () => claims().sign(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)],
    ['is one of another site', () => claims().setIssuer('there').sign(key)],
    ['is one for another site', () => claims().setAudience('there').sign(key)],
    [
      'is one that begins later',
      () =>
        claims()
          .setNotBefore(START_SECONDS + 60)
          .sign(key),
    ],
    ['is one without a signature', () => new UnsecuredJWT({ sub: '', iss: 'here', aud: 'here' }).encode()],
    ['is one of another algorithm', () => claims('HS256').sign(Buffer.from('x'.repeat(64)))],
    [
      'is one without an end',
      () =>
        new SignJWT({ access: [] })
          .setProtectedHeader({ alg: 'ES256' })
          .setSubject('')
          .setIssuer('here')
          .setAudience('here')
          .sign(key),
    ],
    ['is some text', () => 'abc'],
    ['is nothing', () => ''],
    ['is three texts', () => 'a.b.c'],
    ['is one that was changed', async () => `${(await claims().sign(key)).slice(0, -4)}AAAA`],
  ])('%s', async (_, make) => {
    expect(await tokens.read(await make())).toBeUndefined();
  });
});

describe('the key', () => {
  test('is made once, for its owner only', async () => {
    await using opened = await openAccess();
    expect((await stat(opened.keyFile)).mode & 0o777).toBe(0o600);
    const pem = await readFile(opened.keyFile, 'utf8');
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    using _again = await reopen(opened);
    expect(await readFile(opened.keyFile, 'utf8')).toBe(pem);
  });

  test('that others may read is told in the log', async () => {
    await using opened = await openAccess();
    await chmod(opened.keyFile, 0o644);
    const warnings: object[] = [];
    opened.telemetry.log.warn = (fields: object) => void warnings.push(fields);
    using _again = await reopen(opened);
    expect(warnings).toEqual([{ file: opened.keyFile }]);
  });

  test.each([
    ['is no key', 'nonsense'],
    ['is empty', ''],
    ['is of another curve', pemOf(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey)],
    ['is of another kind', pemOf(generateKeyPairSync('ed25519').privateKey)],
  ])('that %s stops the start', async (_, text) => {
    await using opened = await openAccess();
    await writeFile(opened.keyFile, text);
    await expect(reopen(opened)).rejects.toMatchObject({
      code: 'KEY_UNUSABLE',
      message: expect.stringContaining(opened.keyFile),
    });
  });
});

function pemOf(key: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer }): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
