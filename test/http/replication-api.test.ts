import { describe, expect, test } from 'vitest';
import { OperationError } from '../../src/registry/operations/operation-error.ts';
import { startAdmin, type TestAdmin } from '../support/admin.ts';
import { REPLICATION } from '../support/fake-replication.ts';

async function ask(admin: TestAdmin, method: string, path: string, body?: object): Promise<[number, unknown]> {
  const response = await fetch(`${admin.url}/api/v1${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return [response.status, text === '' ? '' : JSON.parse(text)];
}

describe('the admin API of replication', () => {
  test('tells how it goes, by itself and with all the rest', async () => {
    await using admin = await startAdmin({ replication: { status: () => Promise.resolve(REPLICATION) } });
    expect(await ask(admin, 'GET', '/replication')).toEqual([200, REPLICATION]);
    expect(await ask(admin, 'GET', '/status')).toMatchObject([200, { site: 'eu-west', replication: REPLICATION }]);
  });

  test.each([
    ['/replication/jobs', 'jobs', { limit: 100 }],
    [
      '/replication/jobs?rule=a&peer=b&state=held&after=7&limit=5',
      'jobs',
      { rule: 'a', peer: 'b', state: 'held', after: 7, limit: 5 },
    ],
    ['/replication/history?before=9', 'history', { before: 9, limit: 100 }],
    ['/replication/conflicts?limit=1', 'conflicts', { limit: 1 }],
  ])('GET %s lists', async (path, name, query) => {
    await using admin = await startAdmin();
    const [status, body] = await ask(admin, 'GET', path);
    expect([status, Object.keys(body as object)]).toEqual([200, [name]]);
    expect(admin.replication.calls).toEqual([[name, query]]);
  });

  test.each([
    ['/replication/run', { rule: 'a' }, ['replicate', { rule: 'a', dryRun: false, now: false }], 200],
    [
      '/replication/run',
      { rule: 'a', peer: 'b', dryRun: true, now: true },
      ['replicate', { rule: 'a', peer: 'b', dryRun: true, now: true }],
      200,
    ],
    ['/replication/diff', { peer: 'b' }, ['diff', { peer: 'b' }], 200],
    ['/replication/pause', {}, ['pause', {}], 204],
    ['/replication/resume', { peer: 'b' }, ['resume', { peer: 'b' }], 204],
    ['/replication/retry', { job: 3 }, ['retry', { job: 3 }], 200],
    ['/replication/approve', { rule: 'a', peer: 'b' }, ['approve', { rule: 'a', peer: 'b' }], 200],
  ])('POST %s %j acts', async (path, body, call, status) => {
    await using admin = await startAdmin();
    expect((await ask(admin, 'POST', path, body))[0]).toBe(status);
    expect(admin.replication.calls).toEqual([call]);
  });

  test.each([
    ['GET', '/replication/jobs?state=lost', undefined],
    ['GET', '/replication/jobs?after=-1', undefined],
    ['POST', '/replication/run', {}],
    ['POST', '/replication/run', { rule: 'a', force: true }],
    ['POST', '/replication/diff', { rule: 'a' }],
    ['POST', '/replication/retry', { job: 0 }],
    ['POST', '/replication/approve', { rule: 'a' }],
  ])('%s %s %j is refused', async (method, path, body) => {
    await using admin = await startAdmin();
    expect(await ask(admin, method, path, body)).toMatchObject([400, { errors: [{ code: 'INVALID' }] }]);
    expect(admin.replication.calls).toEqual([]);
  });

  test('tells of what is not known', async () => {
    const unknown = () => Promise.reject(new OperationError('NOT_FOUND', 'there is no rule "a"'));
    await using admin = await startAdmin({ replication: { pause: unknown } });
    expect(await ask(admin, 'POST', '/replication/pause', { rule: 'a' })).toMatchObject([404, expect.anything()]);
  });
});
