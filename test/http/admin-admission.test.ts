import { request } from 'node:http';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { startAdmin, type TestAdmin } from '../support/admin.ts';

const TOKEN = 'a-token-of-32-characters.~+/abc=';

/** Unlike fetch it sends whatever Host and Origin it is told to. */
async function ask(
  admin: TestAdmin,
  headers: Readonly<Record<string, string>>,
  { method = 'GET', path = '/api/v1/pins' } = {},
): Promise<{ status: number | undefined; challenge: string | undefined; body: string }> {
  const sending = request(admin.url + path, { method, headers });
  sending.end(method === 'POST' ? '{"pattern":"a"}' : undefined);
  const [response] = (await once(sending, 'response')) as [
    Readable & { statusCode?: number; headers: Record<string, string> },
  ];
  return { status: response.statusCode, challenge: response.headers['www-authenticate'], body: await text(response) };
}

describe('with a token, the admin API', () => {
  test.each([`Bearer ${TOKEN}`, `bearer  ${TOKEN}`])(
    'answers to "%s", under any name of the host',
    async (authorization) => {
      await using admin = await startAdmin({ token: TOKEN });
      const headers = { Authorization: authorization, Host: 'mirror.example:5001', Origin: 'https://other.example' };
      expect((await ask(admin, headers)).status).toBe(200);
      expect((await ask(admin, headers, { method: 'POST' })).status).toBe(204);
    },
  );

  test.each([
    ['nothing', undefined],
    ['another token', `Bearer ${TOKEN}x`],
    ['a part of it', `Bearer ${TOKEN.slice(0, -1)}`],
    ['the token alone', TOKEN],
    ['an empty token', 'Bearer '],
    ['another scheme', `Basic ${Buffer.from(`admin:${TOKEN}`).toString('base64')}`],
  ])('refuses %s with 401 and a challenge', async (_, authorization) => {
    await using admin = await startAdmin({ token: TOKEN });
    const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
    for (const path of ['/api/v1/pins', '/api/v1/nothing', '/api']) {
      const { status, challenge, body } = await ask(admin, headers, { path });
      expect({ status, challenge }).toEqual({ status: 401, challenge: 'Bearer' });
      expect(JSON.parse(body)).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] });
    }
    expect((await ask(admin, headers, { method: 'POST' })).status).toBe(401);
    expect(admin.operations.calls).toEqual([]);
  });

  test('logs a refused token without the token', async () => {
    await using admin = await startAdmin({ token: TOKEN });
    await ask(admin, { Authorization: 'Bearer guessed-secret' });
    await expect.poll(() => admin.log, { timeout: 5000 }).toHaveLength(1);
    expect(admin.log[0]).toMatchObject({ level: 40, status: 401, code: 'UNAUTHORIZED', client: '127.0.0.1' });
    expect(JSON.stringify(admin.log)).not.toMatch(/guessed|a-token/);
  });

  test.each(['/metrics', '/livez', '/readyz'])('leaves %s open', async (path) => {
    await using admin = await startAdmin({ token: TOKEN });
    expect((await ask(admin, { Host: 'anything.example' }, { path })).status).toBe(200);
  });
});

describe('without a token, the admin API', () => {
  test.each([
    '127.0.0.1:5001',
    '127.0.0.1',
    '127.1.2.3:80',
    'localhost:9001',
    'LOCALHOST',
    'localhost.',
    'entrepot.localhost:5001',
    '[::1]:5001',
    '[::1]',
  ])('answers to the name %s', async (host) => {
    await using admin = await startAdmin();
    expect((await ask(admin, { Host: host })).status).toBe(200);
  });

  test.each([
    'evil.example',
    'evil.example:5001',
    'localhost.evil.example',
    'notlocalhost',
    '127.0.0.1.evil.example',
    '192.168.1.5:5001',
    '0.0.0.0:5001',
    '[::2]:5001',
  ])('refuses the name %s with 403', async (host) => {
    await using admin = await startAdmin();
    for (const method of ['GET', 'POST']) {
      const { status, body } = await ask(admin, { Host: host }, { method });
      expect(status).toBe(403);
      expect(JSON.parse(body)).toMatchObject({
        errors: [{ code: 'DENIED', message: expect.stringContaining(host) as string }],
      });
    }
    expect(admin.operations.calls).toEqual([]);
  });

  test.each<[Record<string, string>, number]>([
    [{}, 204],
    [{ 'Sec-Fetch-Site': 'same-origin' }, 204],
    [{ 'Sec-Fetch-Site': 'none' }, 204],
    [{ 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ Origin: 'null' }, 403],
    [{ Origin: 'https://evil.example' }, 403],
    [{ Origin: 'http://localhost:3000' }, 403],
    [{ Origin: 'http://localhost:5001', Host: 'localhost:5001' }, 204],
    [{ Origin: 'http://localhost:5001', Host: 'localhost:5001', 'Sec-Fetch-Site': 'cross-site' }, 403],
  ])('answers a change of %j with %i', async (headers, status) => {
    await using admin = await startAdmin();
    expect((await ask(admin, headers, { method: 'POST' })).status).toBe(status);
    expect(admin.operations.calls).toHaveLength(status === 204 ? 1 : 0);
  });

  test('lets no page of another site look either', async () => {
    await using admin = await startAdmin();
    const page = { 'Sec-Fetch-Site': 'cross-site' };
    expect((await ask(admin, page, { path: '/api/v1/backup' })).status).toBe(403);
    expect((await ask(admin, page, { path: '/metrics' })).status).toBe(200);
    expect(admin.operations.calls).toEqual([]);
  });
});
