import { mkdir, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Layout } from '../../src/content/disk/layout.ts';
import { content } from './content-store-conformance.ts';
import { type OpenedDiskStore, openDiskStore, openQuickDiskStore } from './support/open-disk-store.ts';

const MIB = 1024 * 1024;

async function putAside(opened: OpenedDiskStore, seed: string, sizeBytes = 1000): Promise<string> {
  const { digest } = content(10, seed);
  await opened.store.put(digest, Buffer.of(0));
  // Longer than it is: on the disk that takes nothing.
  await truncate(new Layout(opened.path).blob(digest), sizeBytes);
  await opened.store.quarantine(digest);
  expect(await opened.store.open(digest)).toBe(undefined);
  return digest.replace(':', '-');
}

describe('the quarantine of the disk store', () => {
  test('keeps the file as it was', async () => {
    await using opened = await openQuickDiskStore();
    const name = await putAside(opened, 'one', 777);
    expect(await readdir(join(opened.path, 'quarantine'))).toEqual([name]);
    expect(await opened.store.debris()).toMatchObject([{ name, kind: 'quarantined' }]);
  });

  test('keeps sixteen files, and the newest of them', async () => {
    await using opened = await openQuickDiskStore();
    for (let number = 0; number < 20; number += 1) await putAside(opened, `early ${number}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const late = [];
    for (let number = 0; number < 4; number += 1) late.push(await putAside(opened, `late ${number}`));
    const kept = await readdir(join(opened.path, 'quarantine'));
    expect(kept).toHaveLength(16);
    expect(kept).toEqual(expect.arrayContaining(late));
  });

  test('keeps no more than sixteen when many come at the same time', async () => {
    await using opened = await openQuickDiskStore();
    await Promise.all(Array.from({ length: 40 }, (_, number) => putAside(opened, String(number))));
    expect(await readdir(join(opened.path, 'quarantine'))).toHaveLength(16);
  });

  test('keeps one GiB, and nothing that is larger alone', async () => {
    await using opened = await openDiskStore();
    const [first, second, third] = [
      await putAside(opened, 'first', 500 * MIB),
      await putAside(opened, 'second', 500 * MIB),
      await putAside(opened, 'third', 500 * MIB),
    ];
    expect((await readdir(join(opened.path, 'quarantine'))).sort()).toEqual([second, third].sort());
    expect(first).not.toBe(second);
    await putAside(opened, 'larger than all', 1024 * MIB + 1);
    expect((await readdir(join(opened.path, 'quarantine'))).sort()).toEqual([second, third].sort());
    const all = await putAside(opened, 'as large as all', 1024 * MIB);
    expect(await readdir(join(opened.path, 'quarantine'))).toEqual([all]);
  });

  test('leaves alone what others have put there, and does not count it', async () => {
    await using opened = await openQuickDiskStore();
    const folder = join(opened.path, 'quarantine');
    await mkdir(folder);
    for (let number = 0; number < 20; number += 1) await writeFile(join(folder, `note-${number}`), '');
    const name = await putAside(opened, 'one');
    expect(await readdir(folder)).toHaveLength(21);
    expect(await opened.store.debris()).toMatchObject([{ name }]);
  });

  test('removes the content where the disk refuses to put it aside', async () => {
    await using opened = await openQuickDiskStore();
    await writeFile(join(opened.path, 'quarantine'), 'a file where the folder should be');
    const { digest } = content(10);
    await opened.store.put(digest, Buffer.of(0));
    await opened.store.quarantine(digest);
    expect(await opened.store.verify(digest)).toBe('missing');
  });
});

describe('the temporary files of the disk store', () => {
  const PUT = 'put-0123456789abcdef.tmp';

  test('are debris when an earlier run has left them', async () => {
    await using opened = await openQuickDiskStore();
    const layout = new Layout(opened.path);
    const { digest } = content(10);
    const ledger = `${digest.replace(':', '-')}.json.tmp`;
    for (const name of [PUT, ledger, 'notes.tmp', 'put-1.tmp', 'sha256-abc.json.tmp']) {
      await writeFile(join(layout.ingests, name), 'half');
    }
    // The times of files are finer than the clock by which a store knows when it was opened.
    await sleep(10);
    const store = await opened.reopen();
    const found = await store.debris();
    expect(found.map(({ name }) => name).sort()).toEqual([PUT, ledger].sort());
    expect(found[0]?.kind).toBe('temporary');
    expect(found[0]?.sizeBytes).toBeGreaterThanOrEqual(4);
    expect(found[0]?.atMs).toBeGreaterThan(Date.now() - 60_000);
    await expect(store.removeDebris('notes.tmp')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    {
      // While its ingest is under way the file may be that one's.
      await using ingest = await store.ingest(digest);
      expect((await store.debris()).map(({ name }) => name)).toEqual([PUT]);
      await expect(store.removeDebris(ledger)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(ingest.have.size).toBe(0);
    }
    for (const name of [PUT, ledger, ledger]) await store.removeDebris(name);
    expect((await readdir(layout.ingests)).sort()).toEqual(['notes.tmp', 'put-1.tmp', 'sha256-abc.json.tmp']);
  });

  test.each([
    ['just now', -10, false],
    ['long ago', 6 * 60, true],
    ['by a clock that was set back since', -6 * 60, true],
  ])('of this run that were written %s (%i s ago): debris is %s', async (_, seconds, isDebris) => {
    await using opened = await openQuickDiskStore();
    const path = join(new Layout(opened.path).ingests, PUT);
    await writeFile(path, 'half');
    await utimes(path, new Date(), new Date(Date.now() - seconds * 1000));
    expect(await opened.store.debris()).toHaveLength(isDebris ? 1 : 0);
    const removed = await opened.store.removeDebris(PUT).catch((error: unknown) => error);
    expect(removed).toEqual(isDebris ? undefined : expect.objectContaining({ code: 'STORE_FAILED' }));
    expect(await readdir(new Layout(opened.path).ingests)).toEqual(isDebris ? [] : [PUT]);
  });
});
