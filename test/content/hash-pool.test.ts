import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HashPool } from '../../src/content/hashing/hash-pool.ts';
import { UnreadableError } from '../../src/content/hashing/running-hash.ts';
import { digestHex } from '../../src/oci/digest.ts';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';
import { content } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { openQuickDiskStore } from './support/open-disk-store.ts';
import { readContent } from './support/read-content.ts';

const SIZE = 5_000_000;
const { bytes, digest } = content(SIZE, 'hashed');
const sum = digestHex(digest);

/** Worker threads that were started, the newest last. */
const workers: Worker[] = [];
const onWorker = (message: unknown) => workers.push((message as { worker: Worker }).worker);

let directory: TemporaryDirectory;
let file: FileHandle;
let pool: HashPool;
beforeAll(async () => {
  subscribe('worker_threads', onWorker);
  directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'file'), bytes);
  file = await open(join(directory.path, 'file'), 'r');
});
beforeEach(() => {
  workers.length = 0;
  pool = new HashPool();
});
afterEach(() => pool[Symbol.asyncDispose]());
afterAll(async () => {
  unsubscribe('worker_threads', onWorker);
  await file.close();
  await directory[Symbol.asyncDispose]();
});

/** Ends the newest worker from outside, or makes it fail by itself. */
const deaths: [string, (worker: Worker | undefined) => Promise<unknown>][] = [
  ['ends', async (worker) => worker?.terminate()],
  [
    'fails',
    async (worker) => {
      if (!worker) throw new Error('there is no worker');
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      // It can do nothing with this.
      worker.postMessage(undefined);
      await exited;
    },
  ],
];

describe.each(deaths)('hashing, when a worker %s,', (_, die) => {
  test('begins again on a new one', async () => {
    const hash = pool.start(file.fd, 'sha256');
    await hash.reach(1_000_000);
    await die(workers.at(-1));
    hash.advance(2_000_000);
    await hash.reach(3_000_000);
    expect(await hash.finish(SIZE)).toBe(sum);
    expect(workers).toHaveLength(2);
  });

  test('gives the sum that was already asked for', async () => {
    const hash = pool.start(file.fd, 'sha256');
    const finished = hash.finish(SIZE);
    await die(workers.at(-1));
    expect(await finished).toBe(sum);
  });

  test('begins again only once, but what comes later has a new worker', async () => {
    const hash = pool.start(file.fd, 'sha256');
    await hash.reach(1000);
    await die(workers.at(-1));
    await hash.reach(2000);
    await die(workers.at(-1));
    await expect(hash.finish(SIZE)).rejects.toMatchObject({ code: 'STORE_FAILED', message: 'a hash worker died' });
    await hash.stop();
    const others = [1, 2, 3, 4].map(() => pool.start(file.fd, 'sha256'));
    expect(await Promise.all(others.map((other) => other.finish(SIZE)))).toEqual([sum, sum, sum, sum]);
  });

  test('fails for bytes that are in no file, and says so', async () => {
    const hash = pool.start(file.fd, 'sha256');
    hash.pass([bytes.subarray(1000, 2000)], 1000);
    await hash.reach(3000);
    await die(workers.at(-1));
    const outcome = await hash.finish(SIZE).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'STORE_FAILED', message: 'a hash worker died' });
    expect(outcome).not.toBeInstanceOf(UnreadableError);
  });

  test('stops what was to be stopped', async () => {
    const hash = pool.start(file.fd, 'sha256');
    hash.advance(SIZE);
    const died = die(workers.at(-1));
    await Promise.all([hash.stop(), hash.stop(), died]);
    await expect(hash.finish(SIZE)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('stores an ingest all the same, unless some of it is nowhere any more', async () => {
    await using opened = await openQuickDiskStore();
    {
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(SIZE, 'test');
      await ingest.write([bytes.subarray(0, 3_000_000)], 0);
      await die(workers.at(-1));
      await ingest.write([bytes.subarray(3_000_000)], 3_000_000);
      expect(await ingest.verify()).toBe(true);
      await ingest.commit();
      expectBytes(await readContent(opened.store, digest), bytes);
    }
    await opened.store.remove(digest);
    await using ingest = await opened.store.ingest(digest);
    await using passing = opened.store.passThrough(digest);
    for (const taking of [ingest, passing]) taking.pass([bytes], 0);
    // Both of them, whichever workers they are on.
    for (const worker of workers.slice(-2)) await worker.terminate();
    for (const taking of [ingest, passing])
      await expect(taking.verify()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('stores an upload all the same, at the latest when it is asked again', async () => {
    await using opened = await openQuickDiskStore();
    await using upload = await opened.store.startUpload('local/app');
    await upload.append([bytes.subarray(0, 3_000_000)]);
    await die(workers.at(-1));
    await upload.append([bytes.subarray(3_000_000)]);
    await die(workers.at(-1));
    const outcome = await upload.verify(digest).catch((error: unknown) => error);
    if (outcome !== true) expect(outcome).toMatchObject({ code: 'STORE_FAILED' });
    expect(await upload.verify(digest)).toBe(true);
    await upload.commit(digest);
    expectBytes(await readContent(opened.store, digest), bytes);
  });
});

describe('hashing', () => {
  test('takes bytes from the file and from memory by turns', async () => {
    const hash = pool.start(file.fd, 'sha256');
    hash.advance(1_000_000);
    hash.pass([bytes.subarray(2_000_000, 2_500_000), bytes.subarray(2_500_000, 3_000_000)], 2_000_000);
    hash.pass([bytes.subarray(3_000_000, 3_000_001)], 3_000_000);
    hash.advance(4_000_000);
    expect(await hash.finish(SIZE)).toBe(sum);
  });

  test('tells a file that ends early or cannot be read from a hash that failed', async () => {
    await using folder = await open(directory.path, 'r');
    for (const hash of [pool.start(file.fd, 'sha256'), pool.start(folder.fd, 'sha256')]) {
      await expect(hash.finish(SIZE + 1)).rejects.toBeInstanceOf(UnreadableError);
    }
    await expect(pool.start(undefined, 'sha256').finish(1)).rejects.toBeInstanceOf(UnreadableError);
  });

  test('ends when the pool is closed, and begins no more', async () => {
    const hash = pool.start(file.fd, 'sha256');
    const reached = hash.reach(SIZE);
    const unpassed = pool.start(undefined, 'sha256');
    await pool[Symbol.asyncDispose]();
    await reached.catch(() => undefined);
    await expect(unpassed.finish(10)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await hash.stop();
    expect(() => pool.start(file.fd, 'sha256')).toThrow('closed');
  });
});
