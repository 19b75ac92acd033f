import { afterEach, expect, test, vi } from 'vitest';
import { AdminClient } from '../../src/cli/admin/admin-client.ts';
import { AdminTransport } from '../../src/cli/admin/admin-transport.ts';
import type { VerifyProgress } from '../../src/registry/operations/operations.ts';
import { startAdmin } from '../support/admin.ts';
import { Listener } from '../support/listener.ts';

afterEach(() => vi.restoreAllMocks());

test('a short request is given up after a while', async () => {
  const { promise: never, resolve } = Promise.withResolvers<never>();
  await using admin = await startAdmin({ status: () => never });
  const real = AbortSignal.timeout.bind(AbortSignal);
  const limits: number[] = [];
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    limits.push(ms);
    return real(ms / 1000);
  });
  await expect(new AdminClient({ url: new URL(admin.url) }).status()).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: `${admin.url} did not answer within 30 seconds`,
  });
  expect(limits).toEqual([30_000]);
  resolve(undefined as never);
});

test('long work is not', async () => {
  const timeout = vi.spyOn(AbortSignal, 'timeout');
  await using admin = await startAdmin();
  const client = new AdminClient({ url: new URL(admin.url) });
  const signal = new AbortController().signal;
  await client.collectGarbage({ dryRun: true });
  await client.warm({ images: ['a'], platforms: [] }, { signal, onProgress: () => undefined });
  for await (const chunk of (await client.backup(signal)).body) expect(chunk.length).toBe(19);
  expect(timeout).not.toHaveBeenCalled();
});

test('long work is given up when the mirror has fallen silent', async () => {
  await using listener = await Listener.start((_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('{"progress":{"images":1}}\n');
  });
  const transport = new AdminTransport({ url: new URL(listener.url) }, { workSilenceMs: 200 });
  await expect(transport.follow('/gc', {})).rejects.toMatchObject({
    code: 'LOST',
    message: `${listener.url} has fallen silent: what it does there goes on, or has hung`,
  });
});

test('progress comes as it is told', async () => {
  await using admin = await startAdmin();
  const onProgress = vi.fn<(progress: VerifyProgress) => void>();
  const client = new AdminClient({ url: new URL(admin.url) });
  await client.verify({}, { signal: new AbortController().signal, onProgress });
  expect(onProgress.mock.calls).toEqual([[{ blobs: 4, blobsDone: 1, bytes: 1024 ** 3, bytesDone: 1024 ** 3 / 4 }]]);
});

test('an abort ends work with its own reason', async () => {
  await using admin = await startAdmin({ warm: () => new Promise(() => undefined) });
  const stopping = new AbortController();
  const client = new AdminClient({ url: new URL(admin.url) });
  const warming = client.warm(
    { images: ['a'], platforms: [] },
    { signal: stopping.signal, onProgress: () => undefined },
  );
  await expect.poll(() => admin.operations.calls, { timeout: 5000 }).toHaveLength(1);
  stopping.abort(new Error('enough'));
  await expect(warming).rejects.toThrow('enough');
});
