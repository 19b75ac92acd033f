import { readdir, rm, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Layout } from '../../src/content/disk/layout.ts';
import { startProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { content, ingestAll } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { openDiskStore } from './support/open-disk-store.ts';
import { readContent } from './support/read-content.ts';
import { fillUp, mountSmallDisk } from './support/tmpfs.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PIECE = 256 * KIB;

test('an ingest that the disk has no room for goes on without it, and later with what it had', async () => {
  await using disk = await mountSmallDisk(4 * MIB);
  await using opened = await openDiskStore(disk.path);
  const { bytes, digest } = content(6 * MIB);
  let refusedAt = 0;
  {
    await using ingest = await opened.store.ingest(digest);
    ingest.describe(bytes.length, 'test');
    // One piece is there already, further on.
    await ingest.write([bytes.subarray(5 * MIB, 5 * MIB + PIECE)], 5 * MIB);
    for (let at = ingest.have.endFrom(0); at < bytes.length; at = ingest.have.endFrom(0)) {
      const chunks = [bytes.subarray(at, at + 1000), bytes.subarray(at + 1000, at + PIECE)];
      const error = await ingest.write(chunks, at).catch((refusal: unknown) => refusal);
      if (error === undefined) continue;
      expect(error).toMatchObject({ code: 'STORE_FULL' });
      refusedAt ||= at;
      expect(ingest.have.endFrom(0)).toBe(at);
      ingest.pass(chunks, at);
    }
    expect(refusedAt).toBeGreaterThan(2 * MIB);
    expect(await ingest.verify()).toBe(true);
    await expect(ingest.commit()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await using reader = ingest.openReader();
    const kept = Buffer.alloc(refusedAt);
    expect(await reader.read(kept, 0)).toBe(refusedAt);
    expectBytes(kept, bytes.subarray(0, refusedAt));
  }
  await using again = await opened.store.ingest(digest);
  // The ledger may have had no room either: then less is known to be there, but never more.
  expect(again.have.endFrom(0)).toBeLessThanOrEqual(refusedAt);
  for (const [start, end] of again.have.toJSON()) {
    await using reader = again.openReader();
    const kept = Buffer.alloc(end - start);
    expect(await reader.read(kept, start)).toBe(kept.length);
    expectBytes(kept, bytes.subarray(start, end));
  }
});

test('an ingest whose disk is emptied in time keeps the rest of its content', async () => {
  await using disk = await mountSmallDisk(4 * MIB);
  await using opened = await openDiskStore(disk.path);
  const { bytes, digest } = content(MIB);
  await using ingest = await opened.store.ingest(digest);
  ingest.describe(bytes.length, 'test');
  await ingest.write([bytes.subarray(0, PIECE)], 0);
  const filler = await fillUp(disk.path);
  await expect(ingest.write([bytes.subarray(PIECE)], PIECE)).rejects.toMatchObject({ code: 'STORE_FULL' });
  expect(ingest.have.toJSON()).toEqual([[0, PIECE]]);
  await rm(filler);
  await ingestAll(ingest, bytes);
  expectBytes(await readContent(opened.store, digest), bytes);
});

test('a ledger that has no room leaves no half of it', async () => {
  await using disk = await mountSmallDisk(4 * MIB);
  await using opened = await openDiskStore(disk.path);
  const { bytes, digest } = content(2 * PIECE);
  {
    await using ingest = await opened.store.ingest(digest);
    ingest.describe(bytes.length, 'test');
    await ingest.write([bytes.subarray(0, PIECE)], 0);
    await fillUp(disk.path);
  }
  const names = await readdir(new Layout(disk.path).ingests);
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('put says STORE_FULL on a disk without a free byte, and leaves no temporary file', async () => {
  await using disk = await mountSmallDisk(4 * MIB);
  await using opened = await openDiskStore(disk.path);
  const stored = content(PIECE, 'stored');
  await opened.store.put(stored.digest, stored.bytes);
  await fillUp(disk.path);
  const { bytes, digest } = content(10 * KIB);
  await expect(opened.store.put(digest, bytes)).rejects.toMatchObject({ code: 'STORE_FULL' });
  expect(await readdir(new Layout(disk.path).ingests)).toEqual([]);
  // What is there is served, and what is not passes.
  expectBytes(await readContent(opened.store, stored.digest), stored.bytes);
  expect(await opened.store.verify(stored.digest)).toBe('intact');
  await using passing = opened.store.passThrough(digest);
  passing.pass([bytes], 0);
  expect(await passing.verify()).toBe(true);
  expect((await opened.store.space()).freeBytes).toBe(0);
});

test('damaged content is put aside on a disk without a free byte, too', async () => {
  await using disk = await mountSmallDisk(4 * MIB);
  await using opened = await openDiskStore(disk.path);
  const { digest } = content(PIECE);
  await opened.store.put(digest, content(PIECE, 'wrong').bytes);
  await fillUp(disk.path);
  await opened.store.quarantine(digest);
  expect(await opened.store.verify(digest)).toBe('missing');
});

test('a disk that became read-only lets content pass', async () => {
  await using disk = await mountSmallDisk(4 * MIB);
  await using opened = await openDiskStore(disk.path);
  await disk.makeReadOnly();
  const { bytes, digest } = content(PIECE);
  await using passing = opened.store.passThrough(digest);
  passing.pass([bytes], 0);
  expect(await passing.verify()).toBe(true);
  await expect(opened.store.put(digest, bytes)).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
});

test('a file that would be larger than the system allows is no room, too', async () => {
  await using directory = await temporaryDirectory();
  const script = fileURLToPath(new URL('./support/store-one.ts', import.meta.url));
  // Counted in KiB.
  const command = 'ulimit -f 1024 && exec "$0" "$@"';
  const args = ['-c', command, process.execPath, script, directory.path, String(2 * MIB)];
  await using child = await startProcess('bash', args);
  expect(await child.exited, child.output).toMatchObject({ code: 0 });
  expect(JSON.parse(child.output)).toEqual({
    put: 'STORE_FULL',
    left: [],
    write: 'STORE_FULL',
    isRight: true,
    append: 'STORE_FULL',
    arrivedBytes: 0,
  });
});

test('an empty store takes next to nothing', async () => {
  await using opened = await openDiskStore();
  const entries = await readdir(opened.path, { recursive: true });
  expect(entries.sort()).toEqual(['blobs', 'ingest']);
  await using file = await opened.store.open(content(10).digest);
  expect(file).toBe(undefined);
  expect((await stat(opened.path)).isDirectory()).toBe(true);
});
