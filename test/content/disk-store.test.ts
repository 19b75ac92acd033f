import { lstatSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ContentError } from '../../src/content/content-error.ts';
import { DiskStore } from '../../src/content/disk/disk-store.ts';
import { Layout } from '../../src/content/disk/layout.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { content, describeContentStore, ingestAll } from './content-store-conformance.ts';
import { describeIngest } from './ingest-conformance.ts';
import { describePassing } from './passing-conformance.ts';
import { openDiskStore, openQuickDiskStore } from './support/open-disk-store.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent } from './support/read-content.ts';
import { mountSmallDisk } from './support/tmpfs.ts';
import { describeUpkeep } from './upkeep-conformance.ts';
import { describeUploads } from './upload-conformance.ts';

const KIB = 1024;

/** What the folders below it, and it, take on the disk. */
function folderBytes(path: string): number {
  const names = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const paths = [path, ...names.map((entry) => join(entry.parentPath, entry.name))];
  return paths.reduce((sum, folder) => sum + lstatSync(folder).blocks * 512, 0);
}

describeContentStore('the disk store', () => openDiskStore());
describeIngest('the disk store', () => openDiskStore());
describePassing('the disk store', () => openDiskStore());
describeUploads('the disk store', () => openDiskStore());
describeUpkeep('the disk store', () => openDiskStore());

describe('the disk store, after a crash,', () => {
  test('removes what cannot be gone on with, and keeps the rest', async () => {
    await using opened = await openQuickDiskStore();
    const layout = new Layout(opened.path);
    const kept = content(1000, 'kept');
    {
      await using ingest = await opened.store.ingest(kept.digest);
      ingest.describe(1000, 'docker.io/library/app');
      await ingest.write([kept.bytes.subarray(0, 500)], 0);
    }
    const [partOnly, ledgerOnly, junk] = ['a', 'b', 'c'].map((seed) => content(10, seed).digest) as [
      typeof kept.digest,
      typeof kept.digest,
      typeof kept.digest,
    ];
    const ledger = JSON.stringify({ version: 1, totalBytes: 10, origin: 'x/y', have: [[0, 5]] });
    await writeFile(layout.part(partOnly), 'bytes');
    await writeFile(layout.ledger(ledgerOnly), ledger);
    await writeFile(layout.part(junk), 'bytes');
    await writeFile(layout.ledger(junk), ledger.slice(0, 20));
    await writeFile(`${layout.ledger(kept.digest)}.tmp`, ledger);
    await writeFile(join(layout.ingests, 'put-0123456789abcdef.tmp'), 'half a manifest');

    const store = await opened.reopen();
    expect(await store.interrupted()).toMatchObject([{ digest: kept.digest, origin: 'docker.io/library/app' }]);
    for (const { name } of await store.debris()) await store.removeDebris(name);
    const left = [layout.part(kept.digest), layout.ledger(kept.digest)];
    expect((await readdir(layout.ingests)).map((name) => join(layout.ingests, name)).sort()).toEqual(left.sort());
  });

  test('does not stumble over a folder among the ingests, and leaves it alone', async () => {
    await using opened = await openQuickDiskStore();
    const { ingests } = new Layout(opened.path);
    await mkdir(join(ingests, 'lost+found'));
    expect(await opened.store.interrupted()).toEqual([]);
    expect(await opened.store.debris()).toEqual([]);
    expect(await readdir(ingests)).toEqual(['lost+found']);
  });

  test('does not stumble over a folder where the pieces or the ledger of an ingest should be', async () => {
    await using opened = await openQuickDiskStore();
    const layout = new Layout(opened.path);
    const { bytes, digest } = content(100);
    for (const path of [layout.part(digest), layout.ledger(digest)]) {
      await mkdir(join(path, 'folder'), { recursive: true });
      expect(await opened.store.interrupted()).toEqual([]);
      await using ingest = await opened.store.ingest(digest);
      await ingestAll(ingest, bytes);
    }
  });

  test('lists content though other files lie among it', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(10);
    await opened.store.put(digest, bytes);
    const { blobs } = new Layout(opened.path);
    await mkdir(join(blobs, 'lost+found'));
    await writeFile(join(blobs, 'sha256', digest.slice(7, 9), 'notes.txt'), 'not ours');
    expect(await Array.fromAsync(opened.store.list())).toEqual([digest]);
    await writeFile(join(blobs, 'sha256', 'notes.txt'), 'not ours');
    await writeFile(join(blobs, 'notes.txt'), 'not ours');
    expect(await Array.fromAsync(opened.store.list())).toEqual([digest]);
  });
});

describe('the disk store, on a disk that refuses,', () => {
  test('says STORE_FULL when the disk is full, and loses nothing that was stored', async () => {
    await using disk = await mountSmallDisk(1024 * KIB);
    await using opened = await openDiskStore(disk.path);
    const stored = content(300 * KIB, 'stored');
    const large = content(2000 * KIB, 'large');
    await opened.store.put(stored.digest, stored.bytes);

    await expect(opened.store.put(large.digest, large.bytes)).rejects.toMatchObject({ code: 'STORE_FULL' });
    const ingest = await opened.store.ingest(large.digest);
    await expect(ingestAll(ingest, large.bytes)).rejects.toMatchObject({ code: 'STORE_FULL' });
    const [have] = ingest.have.toJSON();
    await using reader = ingest.openReader();
    const arrived = Buffer.alloc(have?.[1] ?? 0);
    expect(await reader.read(arrived, 0)).toBe(arrived.length);
    expectBytes(arrived, large.bytes.subarray(0, arrived.length));
    expect(arrived.length).toBeGreaterThan(400 * KIB);
    await reader[Symbol.asyncDispose]();
    await ingest.discard();

    expectBytes(await readContent(opened.store, stored.digest), stored.bytes);
    expect(await Array.fromAsync(opened.store.list())).toEqual([stored.digest]);
    const next = content(500 * KIB, 'next');
    await opened.store.put(next.digest, next.bytes);
    expectBytes(await readContent(await opened.reopen(), next.digest), next.bytes);
  });

  test('goes on after a restart with what came before the disk was full', async () => {
    await using disk = await mountSmallDisk(1024 * KIB);
    await using opened = await openDiskStore(disk.path);
    const large = content(2000 * KIB);
    {
      await using early = await opened.store.ingest(large.digest);
      early.describe(large.bytes.length, 'test');
      await early.write([large.bytes.subarray(0, 300 * KIB)], 0);
    }
    const ingest = await opened.store.ingest(large.digest);
    await expect(ingest.write([large.bytes.subarray(300 * KIB)], 300 * KIB)).rejects.toBeInstanceOf(ContentError);
    await ingest[Symbol.asyncDispose]();
    await using again = await (await opened.reopen()).ingest(large.digest);
    expect(again.have.toJSON()).toEqual([[0, 300 * KIB]]);
  });

  test('serves and verifies from a disk that is read-only, and says STORE_READ_ONLY to everything else', async () => {
    await using disk = await mountSmallDisk(8 * 1024 * KIB);
    const { bytes, digest } = content(10_000);
    {
      await using opened = await openDiskStore(disk.path);
      await opened.store.put(digest, bytes);
    }
    await disk.makeReadOnly();
    await using opened = await openDiskStore(disk.path);
    const other = content(10, 'other');
    expectBytes(await readContent(opened.store, digest), bytes);
    expect(await opened.store.verify(digest)).toBe('intact');
    expect(await Array.fromAsync(opened.store.list())).toEqual([digest]);
    await expect(opened.store.put(other.digest, other.bytes)).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    await expect(opened.store.ingest(other.digest)).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    await expect(opened.store.remove(digest)).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
  });

  test('says STORE_READ_ONLY when its folders cannot be made', async () => {
    await using disk = await mountSmallDisk(1024 * KIB);
    await disk.makeReadOnly();
    await expect(DiskStore.open(join(disk.path, 'data'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
  });

  test('says STORE_FAILED when a file lies where its folder should be', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'blobs'), 'a file');
    await expect(DiskStore.open(directory.path)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('takes content that cannot be read for damaged, and puts it out of the way', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(10);
    // Reading it fails with an errno, as a broken sector does.
    await mkdir(join(new Layout(opened.path).blob(digest), 'folder'), { recursive: true });
    await expect(readContent(opened.store, digest)).rejects.toBeInstanceOf(ContentError);
    expect(await opened.store.verify(digest)).toBe('damaged');
    await opened.store.quarantine(digest);
    expect(await opened.store.verify(digest)).toBe('missing');
    await opened.store.put(digest, bytes);
    expect(await opened.store.verify(digest)).toBe('intact');
  });

  test('removes whatever stands in the place of content', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(10);
    const path = new Layout(opened.path).blob(digest);
    await mkdir(join(path, 'folder'), { recursive: true });
    await opened.store.remove(digest);
    expect(await opened.store.verify(digest)).toBe('missing');
    await opened.store.put(digest, bytes);
    expect(await opened.store.verify(digest)).toBe('intact');
  });

  test('takes in content where somebody has put folders in the place of its pieces', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(1000);
    const layout = new Layout(opened.path);
    for (const path of [layout.part(digest), layout.ledger(digest)]) await mkdir(join(path, 'x'), { recursive: true });
    await using ingest = await opened.store.ingest(digest);
    await ingestAll(ingest, bytes);
    expectBytes(await readContent(opened.store, digest), bytes);
  });

  test('knows what its folders take, after a restart too', async () => {
    await using opened = await openDiskStore();
    const folders = async (store: DiskStore) => (await store.space()).folderBytes;
    for (let n = 0; n < 50; n += 1) await opened.store.put(content(10, String(n)).digest, content(10, String(n)).bytes);
    expect(await folders(opened.store)).toBe(folderBytes(opened.path));
    for (let n = 0; n < 50; n += 1) await opened.store.remove(content(10, String(n)).digest);
    expect(await folders(opened.store)).toBe(folderBytes(opened.path));
    expect(await folders(await opened.reopen())).toBe(folderBytes(opened.path));
  });

  test('does not give out damaged content that it can neither move nor remove, until it is another file', async () => {
    await using disk = await mountSmallDisk(4096 * KIB);
    await using opened = await openDiskStore(disk.path);
    const { bytes, digest } = content(10_000);
    const other = content(10, 'other');
    await opened.store.put(other.digest, other.bytes);
    await opened.store.put(digest, content(10_000, 'wrong').bytes);
    await disk.makeReadOnly();
    await opened.store.quarantine(digest);
    expect(await opened.store.open(digest)).toBe(undefined);
    expect(await opened.store.verify(digest)).toBe('missing');
    expect(await opened.store.verify(other.digest)).toBe('intact');
    await disk.makeWritable();
    await opened.store.put(digest, bytes);
    expectBytes(await readContent(opened.store, digest), bytes);
    expect(await opened.store.verify(digest)).toBe('intact');
  });

  test('takes content that is cut off while it is verified for damaged', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(1_000_000);
    await opened.store.put(digest, bytes);
    const verdict = opened.store.verify(digest, { bytesPerSecond: 2_000_000 });
    await truncate(new Layout(opened.path).blob(digest), 10);
    expect(await verdict).toBe('damaged');
  });

  test('leaves no file open when verifying ends', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(1_000_000);
    await opened.store.put(digest, bytes);
    const stop = new AbortController();
    const verdicts = [
      opened.store.verify(digest),
      opened.store.verify(digest, { bytesPerSecond: 1, signal: stop.signal }),
      opened.store.verify(digest, { signal: stop.signal }),
    ];
    stop.abort();
    await Promise.allSettled(verdicts);
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    expect(open.filter((path) => path.startsWith(opened.path))).toEqual([]);
  });
});
