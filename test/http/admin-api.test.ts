import { request } from 'node:http';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { ContentError } from '../../src/content/content-error.ts';
import { OperationError } from '../../src/registry/operations/operation-error.ts';
import type { Operations } from '../../src/registry/operations/operations.ts';
import { RegistryError } from '../../src/registry/registry-error.ts';
import { startAdmin, type TestAdmin } from '../support/admin.ts';
import { REMOVAL, STATUS, UPSTREAM } from '../support/fake-operations.ts';

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Sends a request; a body that is neither text nor bytes is sent as JSON. */
async function ask(admin: TestAdmin, method: string, path: string, body?: unknown): Promise<Reply> {
  const isReady = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const sent = isReady ? (body as string | Uint8Array<ArrayBuffer> | undefined) : JSON.stringify(body);
  const response = await fetch(`${admin.url}/api/v1${path}`, { method, ...(sent !== undefined && { body: sent }) });
  const answered = await response.text();
  return { status: response.status, headers: response.headers, body: answered === '' ? '' : JSON.parse(answered) };
}

function errorOf(reply: Reply): { status: number; code: string; message: string } {
  const { errors } = reply.body as { errors: { code: string; message: string }[] };
  expect(errors).toHaveLength(1);
  expect(reply.headers.get('content-type')).toBe('application/json');
  return { status: reply.status, code: errors[0]?.code ?? '', message: errors[0]?.message ?? '' };
}

describe('the admin API', () => {
  test('tells how the mirror is', async () => {
    await using admin = await startAdmin();
    const reply = await ask(admin, 'GET', '/status');
    expect(reply).toMatchObject({ status: 200, body: STATUS });
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });

  test.each([
    ['/repositories', ['repositories', { limit: 100 }]],
    [
      '/repositories?prefix=docker.io/&after=docker.io/a&limit=5',
      ['repositories', { prefix: 'docker.io/', after: 'docker.io/a', limit: 5 }],
    ],
    [
      '/images?repository=docker.io%2Flibrary%2Fdebian',
      ['images', { repository: 'docker.io/library/debian', limit: 100 }],
    ],
    [
      '/images?repository=a&after=sha256:ab&limit=1000',
      ['images', { repository: 'a', after: 'sha256:ab', limit: 1000 }],
    ],
    ['/pins', ['pins']],
  ])('lists %s', async (path, call) => {
    await using admin = await startAdmin();
    const { status, body } = await ask(admin, 'GET', path);
    expect(status).toBe(200);
    expect(Object.keys(body as object)).toEqual([call[0]]);
    expect(admin.operations.calls).toEqual([call]);
  });

  test.each<[string, string, unknown, unknown[], unknown]>([
    ['POST', '/pins', { pattern: 'a:*' }, ['pin', 'a:*'], ''],
    ['DELETE', '/pins', { pattern: 'a:*' }, ['unpin', 'a:*'], ''],
    ['POST', '/purge', { image: 'a:1' }, ['purge', { image: 'a:1' }, { dryRun: false }], REMOVAL],
    [
      'POST',
      '/purge',
      { repository: 'a', dryRun: true },
      ['purge', { repository: 'a' }, { dryRun: true }],
      { ...REMOVAL, isDryRun: true },
    ],
    ['POST', '/purge', { upstream: 'ghcr.io' }, ['purge', { upstream: 'ghcr.io' }, { dryRun: false }], REMOVAL],
    [
      'POST',
      '/evict',
      { toBytes: 0 },
      ['evict', { toBytes: 0, dryRun: false }],
      expect.objectContaining({ pinned: 2 }),
    ],
    ['POST', '/gc', undefined, ['collectGarbage', { dryRun: false }], expect.objectContaining({ looseBlobs: 5 })],
    [
      'POST',
      '/gc',
      { dryRun: true },
      ['collectGarbage', { dryRun: true }],
      expect.objectContaining({ isDryRun: true }),
    ],
    ['POST', '/retention', undefined, ['retention', { dryRun: false }], expect.objectContaining({ manifests: 1500 })],
    [
      'POST',
      '/retention',
      { dryRun: true },
      ['retention', { dryRun: true }],
      expect.objectContaining({ isDryRun: true }),
    ],
    [
      'POST',
      '/refresh',
      { image: 'a:1' },
      ['refresh', 'a:1'],
      { refreshed: [expect.objectContaining({ reference: 'a:1' })] },
    ],
    ['POST', '/scrub', undefined, ['startScrub'], expect.objectContaining({ isRunning: true })],
    [
      'PUT',
      '/upstreams/docker.io/offline',
      { offline: true },
      ['setOffline', 'docker.io', true],
      { ...UPSTREAM, isOffline: true },
    ],
    [
      'PUT',
      '/upstreams/r.example%3A5000/offline',
      { offline: false },
      ['setOffline', 'r.example:5000', false],
      expect.objectContaining({ name: 'r.example:5000' }),
    ],
  ])('does %s %s %j', async (method, path, body, call, answer) => {
    await using admin = await startAdmin();
    const reply = await ask(admin, method, path, body);
    expect(reply.status).toBe(answer === '' ? 204 : 200);
    expect(reply.body).toEqual(answer);
    expect(admin.operations.calls).toEqual([call]);
  });
});

describe('the admin API refuses', () => {
  const field = (name: string, must: string) => `"${name}" must be ${must}`;

  test.each<[string, string, unknown, string]>([
    ['POST', '/pins', undefined, '"pattern" is missing; it must be text'],
    ['POST', '/pins', '{', 'the body is not JSON: '],
    ['POST', '/pins', Uint8Array.of(0x22, 0xff, 0x22), 'the body is not JSON: '],
    ['POST', '/pins', '[]', 'the body must be a JSON object, not a list'],
    ['POST', '/pins', 'null', 'the body must be a JSON object, not null'],
    ['POST', '/pins', { pattern: 1 }, field('pattern', 'text, not 1')],
    ['POST', '/pins', { pattern: '' }, '"pattern" is empty'],
    ['POST', '/pins', { pattern: 'a\nb' }, '"pattern" holds a control character'],
    ['POST', '/pins', { pattern: 'x'.repeat(513) }, '"pattern" has more than 512 characters'],
    ['POST', '/pins', { pattern: 'a', patern: 'b' }, '"patern" is not known here; "pattern" may be given'],
    ['POST', '/pins', '{"__proto__": {"pattern": "a"}}', '"__proto__" is not known here'],
    ['POST', '/purge', {}, 'give one of "image", "repository" and "upstream"'],
    ['POST', '/purge', { image: 'a', upstream: 'b' }, 'give one of "image", "repository" and "upstream"'],
    ['POST', '/purge', { image: 'a', dryRun: 'yes' }, field('dryRun', 'true or false, not text')],
    [
      'POST',
      '/purge',
      { image: 'a', dryrun: true },
      '"dryrun" is not known here; "image", "repository", "upstream", and "dryRun" may be given',
    ],
    ['POST', '/evict', {}, '"toBytes" is missing; it must be a whole number from 0 to 9007199254740991'],
    ['POST', '/evict', { toBytes: -1 }, field('toBytes', 'a whole number')],
    ['POST', '/evict', { toBytes: 1.5 }, field('toBytes', 'a whole number')],
    ['POST', '/evict', { toBytes: '1GiB' }, field('toBytes', 'a whole number')],
    ['POST', '/gc', { dryRun: null }, field('dryRun', 'true or false, not null')],
    ['POST', '/gc?dryRun=true', undefined, 'this request takes its fields from a JSON body, not from the URL'],
    ['POST', '/scrub', { now: true }, '"now" is not known here; nothing is'],
    ['POST', '/refresh', { image: {} }, field('image', 'text, not an object')],
    ['POST', '/warm', { images: 'a' }, field('images', 'a list of texts, not text')],
    ['POST', '/warm', { images: ['a', 5] }, field('images[1]', 'text, not 5')],
    ['POST', '/warm', { images: [] }, '"images" is empty'],
    [
      'POST',
      '/warm',
      { images: ['a'], platforms: ['amd64'] },
      '"amd64" is not a platform; write for example linux/amd64',
    ],
    ['POST', '/warm', { images: ['a'], concurrency: 0 }, field('concurrency', 'a whole number from 1 to 64, not 0')],
    ['POST', '/verify', { image: 'a', repository: 'b' }, 'give "image" or "repository", not both'],
    ['POST', '/verify', { bytesPerSecond: 0 }, field('bytesPerSecond', 'a whole number')],
    ['PUT', '/upstreams/a/offline', { offline: 1 }, field('offline', 'true or false, not 1')],
    ['GET', '/status?x=1', undefined, '"x" is not known here; nothing is'],
    ['GET', '/images', undefined, '"repository" is missing; it must be text'],
    ['GET', '/repositories?limit=0', undefined, field('limit', 'a whole number from 1 to 1000, not 0')],
    ['GET', '/repositories?limit=1001', undefined, field('limit', 'a whole number from 1 to 1000')],
    ['GET', '/repositories?limit=1e2', undefined, field('limit', 'a whole number from 1 to 1000')],
    ['GET', '/repositories?limit=5&limit=6', undefined, '"limit" is given twice'],
  ])('%s %s %j with 400', async (method, path, body, message) => {
    await using admin = await startAdmin();
    const error = errorOf(await ask(admin, method, path, body));
    expect(error).toMatchObject({ status: 400, code: 'INVALID' });
    expect(error.message).toContain(message);
    expect(admin.operations.calls).toEqual([]);
  });

  test.each([
    ['GET', '/purge', 'POST'],
    ['HEAD', '/status', 'GET'],
    ['PATCH', '/pins', 'GET, POST, DELETE'],
    ['POST', '/upstreams/docker.io/offline', 'PUT'],
    ['DELETE', '/backup', 'GET'],
  ])('%s %s with 405', async (method, path, allow) => {
    await using admin = await startAdmin();
    const response = await fetch(`${admin.url}/api/v1${path}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
    await response.text();
  });

  test.each([
    '/api',
    '/api/',
    '/api/v1',
    '/api/v1/',
    '/api/v1/nothing',
    '/api/v1/status/',
    '/api/v2/status',
    '/api/v1/upstreams//offline',
  ])('the unknown path %s with 404', async (path) => {
    await using admin = await startAdmin();
    const response = await fetch(admin.url + path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ errors: [{ code: 'NOT_FOUND' }] });
  });

  test.each([
    ['/refresh', 1],
    ['/warm', 16],
  ])('a body of %s of more than %i MiB with 413, told or not', async (path, limitMiB) => {
    await using admin = await startAdmin();
    const body = JSON.stringify({ images: ['x'.repeat(limitMiB * 1024 * 1024)] });
    for (const headers of [{ 'Content-Length': String(Buffer.byteLength(body)) }, { 'Transfer-Encoding': 'chunked' }]) {
      const sending = request(`${admin.url}/api/v1${path}`, { method: 'POST', headers });
      sending.on('error', () => undefined);
      sending.end(body);
      const [response] = (await once(sending, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
      expect(response.statusCode).toBe(413);
      const message = `the body has more than ${limitMiB * 1024} KiB`;
      expect(await json(response)).toMatchObject({ errors: [{ message }] });
    }
    expect(admin.operations.calls).toEqual([]);
  });
});

describe('the admin API tells failures:', () => {
  test.each<[unknown, number, string, string]>([
    [new OperationError('INVALID', 'no such upstream'), 400, 'INVALID', 'no such upstream'],
    [new OperationError('NOT_FOUND', 'nothing of it is here'), 404, 'NOT_FOUND', 'nothing of it is here'],
    [new RegistryError('MANIFEST_UNKNOWN', 'gone'), 404, 'MANIFEST_UNKNOWN', 'gone'],
    [new RegistryError('UPSTREAM_UNAVAILABLE', 'down'), 503, 'UNKNOWN', 'down'],
    [
      new ContentError('STORE_FULL', 'no space left'),
      503,
      'UNKNOWN',
      'the store of this mirror cannot be used at the moment',
    ],
    [new Error('secret path /x'), 500, 'UNKNOWN', 'the mirror failed; its log says why'],
  ])('%s', async (error, status, code, message) => {
    const purge = vi.fn<Operations['purge']>().mockRejectedValue(error);
    await using admin = await startAdmin({ purge });
    expect(errorOf(await ask(admin, 'POST', '/purge', { image: 'a' }))).toEqual({ status, code, message });
    await expect
      .poll(() => admin.log.at(-1), { timeout: 5000 })
      .toMatchObject({ msg: 'admin request failed', status, level: status === 500 ? 50 : 40 });
  });

  test('when it makes sense to ask again', async () => {
    const error = new RegistryError('RATE_LIMITED', 'wait', { retryAfterMs: 1500 });
    await using admin = await startAdmin({ refresh: () => Promise.reject(error) });
    const reply = await ask(admin, 'POST', '/refresh', { image: 'a' });
    expect(reply.status).toBe(429);
    expect(reply.headers.get('retry-after')).toBe('2');
  });
});

test('requests to the admin API are counted, and logged by what they change', async () => {
  await using admin = await startAdmin();
  await ask(admin, 'GET', '/status');
  await ask(admin, 'POST', '/gc');
  await expect.poll(() => admin.log, { timeout: 5000 }).toHaveLength(2);
  expect(admin.log).toMatchObject([
    { level: 20, msg: 'admin request', method: 'GET', path: '/api/v1/status', status: 200, client: '127.0.0.1' },
    { level: 30, msg: 'admin request', method: 'POST', path: '/api/v1/gc', status: 200 },
  ]);
  const metrics = await (await fetch(`${admin.url}/metrics`)).text();
  expect(metrics).toMatch(/^entrepot_requests_total\{route="admin",status="200",outcome="none",site="eu-west"\} 2$/m);
});
