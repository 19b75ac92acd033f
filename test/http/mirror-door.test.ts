import { describe, expect, test } from 'vitest';
import { ask, basic, bearer, openDoors, tokenFor } from './support/doors.ts';

describe("the mirror's door", () => {
  test.each([
    ['nothing', {}],
    ['a login of another registry', basic('hub-user', 'hub-password')],
    ['a wrong password', basic('ci', 'wrong')],
    ['a token of another registry', bearer('eyJhbGciOiJub25lIn0.e30.')],
    ['another scheme', { Authorization: 'Negotiate abc' }],
  ])('does for who comes with %s what everybody may', async (_, headers) => {
    await using doors = await openDoors();
    const { mirrorUrl } = doors;
    const may = await ask(`${mirrorUrl}/v2/nginx/manifests/latest`, headers);
    expect(may).toMatchObject({ status: 200, challenge: null });
    expect(await ask(`${mirrorUrl}/v2/`, headers)).toMatchObject({ status: 200, challenge: null });
    for (const [method, path] of [
      ['PUT', '/v2/local/app/manifests/v1'],
      ['DELETE', '/v2/local/app/manifests/v1'],
      ['POST', '/v2/nginx/blobs/uploads/'],
      ['GET', '/v2/local/secret/app/manifests/v1'],
    ] as const) {
      const refused = await ask(mirrorUrl + path, headers, method);
      expect(refused).toEqual({ status: 403, code: 'DENIED', challenge: null, retryAfter: null });
    }
  });

  test('honours a login that comes unasked', async () => {
    await using doors = await openDoors();
    const { mirrorUrl } = doors;
    expect((await ask(`${mirrorUrl}/v2/local/app/manifests/v1`, basic('ci'), 'PUT')).status).toBe(201);
    expect((await ask(`${mirrorUrl}/v2/local/secret/app/manifests/v1`, basic('alice'))).status).toBe(200);
    expect(await ask(`${mirrorUrl}/v2/local/app/manifests/v1`, basic('alice'), 'PUT')).toMatchObject({
      status: 403,
      code: 'DENIED',
    });
  });

  test('takes replicas from those who replicate', async () => {
    await using doors = await openDoors();
    const repository = `${doors.mirrorUrl}/v2/local/replicas/app`;
    const origin = { 'Entrepot-Origin': 'site=us-east; sequence=1; clock=1.0' };
    const token = bearer(await tokenFor(doors, ['repository:local/replicas/app:push'], basic('peer')));
    for (const credentials of [basic('peer'), token]) {
      expect((await ask(`${repository}/blobs/uploads/`, credentials, 'POST')).status).toBe(202);
      expect((await ask(`${repository}/manifests/v1`, { ...credentials, ...origin }, 'PUT')).status).toBe(201);
      expect((await ask(`${repository}/manifests/v1`, credentials, 'PUT')).status).toBe(403);
    }
    expect((await ask(`${repository}/manifests/v1`, origin, 'PUT')).status).toBe(403);
  });

  test('honours a token that comes unasked, which takes nothing away', async () => {
    await using doors = await openDoors();
    const { mirrorUrl } = doors;
    const headers = bearer(await tokenFor(doors, ['repository:local/app:push'], basic('ci')));
    expect((await ask(`${mirrorUrl}/v2/local/app/manifests/v1`, headers, 'PUT')).status).toBe(201);
    expect((await ask(`${mirrorUrl}/v2/local/other/manifests/v1`, headers, 'PUT')).status).toBe(403);
    expect((await ask(`${mirrorUrl}/v2/nginx/manifests/latest`, headers)).status).toBe(200);
  });

  test('counts failures without ever saying so, and without holding up logins at the other door', async () => {
    await using doors = await openDoors();
    const { mirrorUrl, registryUrl } = doors;
    for (let time = 0; time < 12; time += 1) {
      expect((await ask(`${mirrorUrl}/v2/nginx/manifests/latest`, basic('ci', `${time}`))).status).toBe(200);
    }
    expect(doors.opened.comparisons).toBe(10);
    expect((await ask(`${registryUrl}/v2/`, basic('ci'))).status).toBe(200);
  });

  test('has logins that failed and writes that were refused noted, and no pulls', async () => {
    await using doors = await openDoors();
    const { mirrorUrl } = doors;
    await ask(`${mirrorUrl}/v2/nginx/manifests/latest`);
    await ask(`${mirrorUrl}/v2/local/app/manifests/v1`, {}, 'PUT');
    await ask(`${mirrorUrl}/v2/nginx/manifests/latest`, basic('ci', 'wrong'));
    expect(doors.audited).toEqual([
      {
        who: 'anonymous',
        action: 'push',
        repository: 'local/app',
        address: '127.0.0.1',
        requestId: 'request-2',
        outcome: 'denied',
        status: 403,
      },
      { who: 'ci', action: 'login', address: '127.0.0.1', requestId: 'request-3', outcome: 'denied', status: 200 },
    ]);
  });
});
