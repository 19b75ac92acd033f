import { describe, expect, test } from 'vitest';
import { expectError } from './support/expect.ts';
import { basic, send } from './support/send.ts';
import { asUser, atMirror, setStage } from './support/stage.ts';

const stage = setStage();

describe('end-1, GET /v2/', () => {
  test.each(['GET', 'HEAD'])("is 200 to %s at the mirror's door, whoever asks", async (method) => {
    const mirror = atMirror(stage, stage.client());
    for (const client of [mirror, asUser(mirror, undefined)]) {
      for (const path of ['/v2/', '/v2']) {
        const answer = await send(client, method, path);
        expect(answer.status, path).toBe(200);
        expect(answer.headers['www-authenticate']).toBeUndefined();
        expect(answer.headers['docker-distribution-api-version']).toBe('registry/2.0');
      }
    }
  });

  test("is 200 at the mirror's door with any credentials, good or bad", async () => {
    const client = asUser(atMirror(stage, stage.client()), undefined);
    for (const Authorization of [basic('ci', 'wrong'), basic('nobody'), 'Bearer nonsense', 'Basic', 'Negotiate x']) {
      const answer = await send(client, 'GET', '/v2/', { headers: { Authorization }, from: '127.0.1.1' });
      expect(answer.status, Authorization).toBe(200);
      expect(answer.headers['www-authenticate']).toBeUndefined();
    }
  });

  test("is 401 with one challenge at the registry's door until someone is known", async () => {
    const client = stage.client();
    const refused = await send(asUser(client, undefined), 'GET', '/v2/');
    expectError(refused, 401, 'UNAUTHORIZED');
    expect(refused.headers['www-authenticate']).toMatch(/^Bearer realm="[^"]+",service="[^"]+"$/);
    expect(refused.headers['docker-distribution-api-version']).toBe('registry/2.0');
    expect((await send(client, 'GET', '/v2/')).status).toBe(200);
    expect((await send(client, 'HEAD', '/v2/')).status).toBe(200);
  });

  test('is nothing that could be changed', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expectError(await send(stage.client(), method, '/v2/'), [404, 405], 'UNSUPPORTED');
    }
  });
});
