import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { constants } from 'node:http2';
import { beforeAll, describe, expect, test } from 'vitest';
import { startAdmin } from '../support/admin.ts';
import { seededBytes } from '../support/bytes.ts';
import { type Identity, makeIdentity } from '../support/identity.ts';
import { answerOf, dialHttp2 } from './http2-client.ts';

let tls: Identity;
beforeAll(async () => {
  tls = await makeIdentity();
});

describe('over HTTP/2 the admin listener', () => {
  test('has its pages', async () => {
    await using admin = await startAdmin({ tls });
    await using client = await dialHttp2(admin.listener, tls.cert);
    expect((await client.ask({ ':path': '/livez' })).body.toString()).toBe('ok\n');
    expect((await client.ask({ ':path': '/livez', ':method': 'HEAD' })).headers[':status']).toBe(200);
    expect((await client.ask({ ':path': '/nothing' })).headers[':status']).toBe(404);
    expect((await client.ask({ ':path': '/metrics' })).body.toString()).toContain('entrepot_');
  });

  test('answers by JSON, to names of loopback and to its token only', async () => {
    await using admin = await startAdmin({ tls });
    await using client = await dialHttp2(admin.listener, tls.cert);
    const status = await client.ask({ ':path': '/api/v1/status' });
    expect(JSON.parse(status.body.toString())).toMatchObject({ site: 'eu-west' });
    const foreign = await client.ask({ ':path': '/api/v1/status', ':authority': 'evil.example' });
    expect(foreign.headers[':status']).toBe(403);
    expect(admin.log.map(({ client: address }) => address)).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  test('refuses a body that it does not want, and goes on', async () => {
    await using admin = await startAdmin({ tls, token: 'a'.repeat(16) });
    await using client = await dialHttp2(admin.listener, tls.cert);
    for (let number = 0; number < 3; number += 1) {
      const stream = client.start({ ':path': '/api/v1/warm', ':method': 'POST' });
      const answer = answerOf(stream);
      stream.write(seededBytes(1024 * 1024, number));
      const { headers, body, code } = await answer;
      expect([headers[':status'], code]).toEqual([401, constants.NGHTTP2_NO_ERROR]);
      expect(JSON.parse(body.toString())).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] });
    }
  });

  test('tells how far long work is', async () => {
    await using admin = await startAdmin({ tls });
    await using client = await dialHttp2(admin.listener, tls.cert);
    const headers = { ':path': '/api/v1/warm', ':method': 'POST', accept: 'application/x-ndjson' };
    const { body } = await client.ask(headers, Buffer.from('{"images": ["a"]}'));
    expect(body.toString()).toMatch(/^\{"progress":.*\n\{"result":.*\n$/);
  });

  test('ends long work when its client goes', async () => {
    const started = Promise.withResolvers<AbortSignal>();
    await using admin = await startAdmin({
      tls,
      verify: async (_, { signal }) => {
        started.resolve(signal);
        await once(signal, 'abort');
        throw signal.reason;
      },
    });
    await using client = await dialHttp2(admin.listener, tls.cert);
    const headers = { ':path': '/api/v1/verify', ':method': 'POST', accept: 'application/x-ndjson' };
    const stream = client.start(headers);
    stream.end('{}');
    const signal = await started.promise;
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => signal.aborted, { timeout: 15_000 }).toBe(true);
  });

  test('sends a backup whole, and knows when it could not', async () => {
    const copy = seededBytes(8 * 1024 * 1024, 'backup');
    const backup = async (path: string) => {
      await writeFile(path, copy);
      return { sizeBytes: copy.length };
    };
    await using admin = await startAdmin({ tls, backup });
    await using client = await dialHttp2(admin.listener, tls.cert);
    const headers = { ':path': '/api/v1/backup' };
    const { body } = await client.ask(headers);
    expect(createHash('sha256').update(body).digest('hex')).toBe(createHash('sha256').update(copy).digest('hex'));
    const stream = client.start(headers);
    stream.end();
    await once(stream, 'response');
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => admin.log.at(-1), { timeout: 15_000 }).toMatchObject({ level: 40 });
    expect(admin.log[0]).toMatchObject({ level: 20, status: 200 });
  });
});
