import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { OperationError } from '../../src/registry/operations/operation-error.ts';
import type { WarmProgress } from '../../src/registry/operations/operations.ts';
import { startAdmin, type TestAdmin } from '../support/admin.ts';
import { seededBytes } from '../support/bytes.ts';
import { REMOVAL } from '../support/fake-operations.ts';

const NDJSON = 'application/x-ndjson';
const PROGRESS: WarmProgress = { images: 1, imagesDone: 0, blobs: 1, blobsDone: 0, bytes: 1, bytesDone: 0 };

afterEach(() => vi.useRealTimers());

function post(admin: TestAdmin, path: string, body: object, init: RequestInit = {}): Promise<Response> {
  return fetch(`${admin.url}/api/v1${path}`, { method: 'POST', body: JSON.stringify(body), ...init });
}

async function linesOf(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(NDJSON);
  const lines = (await response.text()).split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as unknown);
}

describe('long work over the admin API', () => {
  test.each<[string, object, unknown[]]>([
    [
      '/warm',
      { images: ['a', 'b'], platforms: ['linux/amd64'], concurrency: 5 },
      ['warm', { images: ['a', 'b'], platforms: ['linux/amd64'], concurrency: 5 }],
    ],
    ['/warm', { images: ['a'] }, ['warm', { images: ['a'], platforms: [] }]],
    ['/verify', {}, ['verify', {}]],
    ['/verify', { image: 'a', bytesPerSecond: 5 }, ['verify', { image: 'a', bytesPerSecond: 5 }]],
  ])('%s %j tells how far it is and last what came of it', async (path, body, call) => {
    await using admin = await startAdmin();
    const lines = await linesOf(await post(admin, path, body));
    expect(lines).toEqual([
      { progress: expect.objectContaining({ bytes: 1024 ** 3, bytesDone: 1024 ** 3 / 4 }) },
      { result: expect.objectContaining({ bytesDone: 1024 ** 3 }) },
    ]);
    expect(admin.operations.calls).toEqual([call]);
    await expect.poll(() => admin.log.at(-1), { timeout: 5000 }).toMatchObject({ level: 30, status: 200 });
  });

  test('tells what it failed with, and logs it', async () => {
    await using admin = await startAdmin({
      warm: (_, { onProgress }) => {
        onProgress(PROGRESS);
        return Promise.reject(new OperationError('INVALID', '"a b" is not the name of an image'));
      },
    });
    const lines = await linesOf(await post(admin, '/warm', { images: ['a b'] }));
    expect(lines).toEqual([{ error: { code: 'INVALID', message: '"a b" is not the name of an image' } }]);
    await expect
      .poll(() => admin.log.at(-1), { timeout: 5000 })
      .toMatchObject({ level: 40, status: 400, code: 'INVALID' });
  });

  test('tells nothing of a bug but that its log does', async () => {
    await using admin = await startAdmin({ verify: () => Promise.reject(new TypeError('x is undefined')) });
    const lines = await linesOf(await post(admin, '/verify', {}));
    expect(lines).toEqual([{ error: { code: 'UNKNOWN', message: 'the mirror failed; its log says why' } }]);
    await expect
      .poll(() => admin.log.at(-1), { timeout: 5000 })
      .toMatchObject({ level: 50, status: 500, err: { message: 'x is undefined' } });
  });

  test('tells at most five times a second how far it is, and the last word always', async () => {
    await using admin = await startAdmin({
      warm: async (_, { onProgress }) => {
        for (let blobsDone = 1; blobsDone <= 100; blobsDone += 1) {
          onProgress({ ...PROGRESS, blobsDone });
          await sleep(5);
        }
        return { ...PROGRESS, fetchedBytes: 0, failures: [] };
      },
    });
    const startedAt = performance.now();
    const lines = await linesOf(await post(admin, '/warm', { images: ['a'] }));
    const seconds = (performance.now() - startedAt) / 1000;
    expect(lines.length).toBeLessThanOrEqual(seconds * 5 + 2);
    expect(lines.at(-2)).toMatchObject({ progress: { blobsDone: 100 } });
  });

  test('sends an empty line of JSON every few seconds when there is nothing to tell', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const end = Promise.withResolvers<void>();
    await using admin = await startAdmin({
      verify: async () => {
        await end.promise;
        return { blobs: 0, blobsDone: 0, bytes: 0, bytesDone: 0, damaged: [], missing: [], healed: [] };
      },
    });
    const response = await post(admin, '/verify', {});
    vi.advanceTimersByTime(16_000);
    end.resolve();
    expect(await linesOf(response)).toEqual([{}, {}, {}, { result: expect.anything() as unknown }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends when its client goes', async () => {
    const started = Promise.withResolvers<AbortSignal>();
    await using admin = await startAdmin({
      warm: async (_, { signal }) => {
        started.resolve(signal);
        await once(signal, 'abort');
        throw signal.reason;
      },
    });
    const leaving = new AbortController();
    await post(admin, '/warm', { images: ['a'] }, { signal: leaving.signal });
    const signal = await started.promise;
    expect(signal.aborted).toBe(false);
    leaving.abort();
    await expect.poll(() => signal.aborted, { timeout: 5000 }).toBe(true);
    await expect
      .poll(() => admin.log.at(-1), { timeout: 5000 })
      .toMatchObject({ level: 40, status: 499, code: 'CLIENT_LEFT', client: '127.0.0.1' });
  });

  test('does not begin for a client that never sent all it meant to', async () => {
    await using admin = await startAdmin();
    const sending = request(`${admin.url}/api/v1/warm`, { method: 'POST', headers: { 'Content-Length': '100' } });
    sending.on('error', () => undefined);
    sending.write('{"images":["a"]}');
    await sleep(50);
    sending.destroy();
    await expect.poll(() => admin.log.at(-1), { timeout: 5000 }).toMatchObject({ status: 499 });
    expect(admin.operations.calls).toEqual([]);
  });

  test('that comes to an end without questions may be followed too', async () => {
    await using admin = await startAdmin();
    const init = { headers: { Accept: NDJSON } };
    expect(await linesOf(await post(admin, '/purge', { image: 'a' }, init))).toEqual([{ result: REMOVAL }]);
    expect(await linesOf(await post(admin, '/refresh', { image: 'a' }, init))).toEqual([
      { result: { refreshed: [expect.objectContaining({ reference: 'a' })] } },
    ]);
    expect((await post(admin, '/purge', {}, init)).status).toBe(400);
  });
});

describe('a backup', () => {
  const COPY = seededBytes(3 * 1024 * 1024, 5);

  test('comes whole, with its length, and leaves nothing behind', async () => {
    await using admin = await startAdmin({
      backup: async (file) => {
        await writeFile(file, COPY, { flag: 'wx' });
        return { sizeBytes: COPY.length };
      },
    });
    const response = await fetch(`${admin.url}/api/v1/backup`);
    expect(response.headers.get('content-length')).toBe(String(COPY.length));
    expect(response.headers.get('content-type')).toBe('application/vnd.sqlite3');
    const received = new Uint8Array(await response.arrayBuffer());
    expect(createHash('sha256').update(received).digest('hex')).toBe(createHash('sha256').update(COPY).digest('hex'));
    expect(await readdir(admin.temporaryFolder)).toEqual([]);
    await expect.poll(() => admin.log.at(-1), { timeout: 5000 }).toMatchObject({ status: 200 });
  });

  test('of which only a part could be written leaves nothing behind', async () => {
    await using admin = await startAdmin({
      backup: async (file) => {
        await writeFile(file, 'half');
        throw new OperationError('INVALID', 'no');
      },
    });
    const response = await fetch(`${admin.url}/api/v1/backup`);
    expect(response.status).toBe(400);
    await response.text();
    expect(await readdir(admin.temporaryFolder)).toEqual([]);
  });

  test('whose client goes leaves nothing behind', async () => {
    await using admin = await startAdmin({
      backup: async (file) => {
        for (let part = 0; part < 10; part += 1) await writeFile(file, COPY, { flag: 'a' });
        return { sizeBytes: 10 * COPY.length };
      },
    });
    const asking = request(`${admin.url}/api/v1/backup`);
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    expect(await readdir(admin.temporaryFolder)).toEqual([]);
    response.destroy();
    await expect.poll(() => admin.log.at(-1), { timeout: 5000 }).toMatchObject({ level: 40, status: 499 });
  });
});
