import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DiskStore } from '../../src/content/disk/disk-store.ts';
import { startProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { content } from './content-store-conformance.ts';
import { readContent } from './support/read-content.ts';

const SCRIPT = fileURLToPath(new URL('./support/ingest-slowly.ts', import.meta.url));
const SIZE = 16 * 1024 * 1024;
/** What the ledger may lag behind (src/content/disk/disk-ingest.ts), and what a busy machine adds. */
const LEDGER_LAG_MS = 1000;
const LEDGER_LAG_BYTES = 8 * 1024 * 1024;

/** Runs the script until it has taken so much in, kills it, and gives what it told: when, and how far it was. */
async function ingestAndKill(folder: string, untilBytes: number, pauseMs: number) {
  let output = '';
  const told = () =>
    output.split('\n').flatMap((line) => (/^\d+ \d+$/.test(line) ? [line.split(' ').map(Number)] : []));
  let isHeard = false;
  await using child = await startProcess(process.execPath, [SCRIPT, folder, String(SIZE), '1', String(pauseMs)], {
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
