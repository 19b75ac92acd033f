import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Folders } from '../../src/content/disk/folders.ts';
import { Layout } from '../../src/content/disk/layout.ts';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { content, ingestAll } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { openDiskStore, openQuickDiskStore } from './support/open-disk-store.ts';
import { readContent } from './support/read-content.ts';

describe('the folders of the disk store', () => {
  test('are made when they are first needed', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(10);
    const long = digestOf(bytes, 'sha512');
    await opened.store.put(digest, bytes);
    await opened.store.put(long, bytes);
    const { blobs } = new Layout(opened.path);
    expect(await readdir(join(blobs, 'sha256'))).toEqual([digestHex(digest).slice(0, 2)]);
    expect(await readdir(join(blobs, 'sha512'))).toEqual([digestHex(long).slice(0, 2)]);
    expect(await Array.fromAsync(opened.store.list())).toEqual([digest, long]);
  });

  test('may be there already, all of them and empty', async () => {
    await using directory = await temporaryDirectory();
    const { blobs } = new Layout(directory.path);
    const { bytes, digest } = content(10);
    for (let number = 0; number < 256; number += 1) {
      await mkdir(join(blobs, 'sha256', number.toString(16).padStart(2, '0')), { recursive: true });
    }
    await writeFile(new Layout(directory.path).blob(digest), bytes);
    await using opened = await openDiskStore(directory.path);
    expect(await Array.fromAsync(opened.store.list())).toEqual([digest]);
    expectBytes(await readContent(opened.store, digest), bytes);
  });

  test.each(['blobs', 'blobs/sha256', 'ingest', 'quarantine', '.'])(
    'are made again when %s is removed',
    async (name) => {
      await using directory = await temporaryDirectory();
      const root = join(directory.path, 'data');
      await using opened = await openDiskStore(root);
      const [put, taken, damaged] = ['put', 'taken', 'damaged'].map((seed) => content(10, seed));
      if (!put || !taken || !damaged) throw new Error('three were made');
      for (let round = 0; round < 2; round += 1) {
        await opened.store.put(put.digest, put.bytes);
        {
          await using ingest = await opened.store.ingest(taken.digest);
          await ingestAll(ingest, taken.bytes);
        }
        for (const { digest, bytes } of [put, taken]) expectBytes(await readContent(opened.store, digest), bytes);
        await opened.store.put(damaged.digest, put.bytes);
        await opened.store.quarantine(damaged.digest);
        expect(await opened.store.debris()).toHaveLength(1);
        await rm(join(root, name), { recursive: true });
        await Array.fromAsync(opened.store.list());
        await opened.store.interrupted();
        await opened.store.debris();
      }
    },
  );

  test('are each made once for all who need them, and again after that failed', async () => {
    await using directory = await temporaryDirectory();
    const folders = new Folders(directory.path);
    const from = join(directory.path, 'from');
    const to = join(directory.path, 'a', 'b', 'to');
    await writeFile(join(directory.path, 'a'), 'in the way');
    await writeFile(from, 'bytes');
    await expect(folders.place(from, to)).rejects.toMatchObject({ code: expect.stringMatching(/ENOTDIR|EEXIST/) });
    await rm(join(directory.path, 'a'));
    const found = await Promise.all(
      [1, 2, 3].map(() => folders.within(join(directory.path, 'a', 'b'), () => readdir(join(directory.path, 'a')))),
    );
    expect(found).toEqual([['b'], ['b'], ['b']]);
    await folders.place(from, to);
    await expect(folders.place(from, to)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
