import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DiskStore } from '../../src/content/disk/disk-store.ts';
import { Layout } from '../../src/content/disk/layout.ts';
import { namesIn } from '../../src/content/disk/names-in.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { startProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { content } from './content-store-conformance.ts';
import { readContent } from './support/read-content.ts';

const INGEST_SLOWLY = fileURLToPath(new URL('./support/ingest-slowly.ts', import.meta.url));
const STORE_MANY = fileURLToPath(new URL('./support/store-many.ts', import.meta.url));
const SIZE = 16 * 1024 * 1024;
/** What the ledger may lag behind (src/content/disk/disk-ingest.ts), and what a busy machine adds. */
const LEDGER_LAG_MS = 1000;
const LEDGER_LAG_BYTES = 8 * 1024 * 1024;

/** Runs the script until it has taken so much in, kills it, and gives what it told: when, and how far it was. */
async function ingestAndKill(folder: string, untilBytes: number, pauseMs: number, passFrom = SIZE) {
  let output = '';
  const told = () =>
    output.split('\n').flatMap((line) => (/^\d+ \d+$/.test(line) ? [line.split(' ').map(Number)] : []));
  let isHeard = false;
  const args = [INGEST_SLOWLY, folder, String(SIZE), '1', String(pauseMs), String(passFrom)];
  await using child = await startProcess(process.execPath, args, {
    ready: (process) => {
      if (!isHeard) process.onStdout((text) => (output += text));
      isHeard = true;
      return (told().at(-1)?.[1] ?? 0) >= untilBytes;
    },
  });
  expect(await child.kill()).toMatchObject({ signal: 'SIGKILL' });
  const killedAtMs = Date.now();
  return { killedAtMs, told: told().map(([atMs = 0, bytes = 0]) => ({ atMs, bytes })) };
}

test('kill -9 in the middle of an ingest, again and again, costs only what came last, and no byte is wrong', async () => {
  await using directory = await temporaryDirectory();
  const { bytes, digest } = content(SIZE, '1');
  let before = 0;
  for (const [untilBytes, pauseMs] of [
    [1_000_000, 60],
    [13_000_000, 0],
  ] as const) {
    const { killedAtMs, told } = await ingestAndKill(directory.path, untilBytes, pauseMs);
    await using store = await DiskStore.open(directory.path);
    await using ingest = await store.ingest(digest);
    const haveBytes = ingest.have.endFrom(0);
    const arrivedBytes = told.at(-1)?.bytes ?? 0;
    const settled = told.findLast(({ atMs }) => atMs < killedAtMs - LEDGER_LAG_MS)?.bytes ?? 0;
    expect(haveBytes).toBeGreaterThanOrEqual(Math.max(settled, before, arrivedBytes - LEDGER_LAG_BYTES - 256 * 1024));
    await using reader = ingest.openReader();
    const arrived = Buffer.alloc(haveBytes);
    expect(await reader.read(arrived, 0)).toBe(haveBytes);
    expect(arrived.equals(bytes.subarray(0, haveBytes))).toBe(true);
    before = haveBytes;
  }
  await using store = await DiskStore.open(directory.path);
  expect(await store.interrupted()).toMatchObject([{ digest, origin: 'docker.io/library/app' }]);
  await using ingest = await store.ingest(digest);
  await ingest.write([bytes.subarray(before)], before);
  expect(await ingest.verify()).toBe(true);
  await ingest.commit();
  expect((await readContent(store, digest))?.equals(bytes)).toBe(true);
});

test('kill -9 while bytes pass that are not kept: only what was written is gone on with', async () => {
  await using directory = await temporaryDirectory();
  const { bytes, digest } = content(SIZE, '1');
  const writtenBytes = 4 * 1024 * 1024;
  await ingestAndKill(directory.path, 8 * 1024 * 1024, 20, writtenBytes);
  await using store = await DiskStore.open(directory.path);
  await using ingest = await store.ingest(digest);
  const haveBytes = ingest.have.endFrom(0);
  expect(ingest.have.size).toBe(haveBytes);
  expect(haveBytes).toBeLessThanOrEqual(writtenBytes);
  await ingest.write([bytes.subarray(haveBytes, writtenBytes)], haveBytes);
  ingest.pass([bytes.subarray(writtenBytes)], writtenBytes);
  expect(await ingest.verify()).toBe(true);
});

test('kill -9 in the middle of storing: what was told as stored is there, and nothing that is there is wrong', async () => {
  await using directory = await temporaryDirectory();
  for (const [from, count] of [
    [0, 1],
    [100, 9],
    [200, 24],
  ] as const) {
    await using child = await startProcess(process.execPath, [STORE_MANY, directory.path, String(from)], {
      ready: (process) => {
        return process.output.split('\n').length > count;
      },
    });
    await child.kill();
    await using store = await DiskStore.open(directory.path);
    const told = child.output.split('\n').filter((line) => line.startsWith('sha256:')) as Digest[];
    const listed = await Array.fromAsync(store.list());
    expect(told.length).toBeGreaterThanOrEqual(count);
    expect(listed).toEqual(expect.arrayContaining(told));
    for (const digest of listed) expect(await store.verify(digest)).toBe('intact');
    for (const { digest } of await store.interrupted()) await store.discardInterrupted(digest);
    for (const { id } of await store.listUploads()) await store.discardUpload(id);
    for (const { name } of await store.debris()) await store.removeDebris(name);
    const layout = new Layout(directory.path);
    expect(await readdir(layout.ingests)).toEqual([]);
    expect(await namesIn(layout.uploads, 'any')).toEqual([]);
  }
});
