import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Upload } from '../../src/content/content-store.ts';
import { DiskStore } from '../../src/content/disk/disk-store.ts';
import { Layout } from '../../src/content/disk/layout.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { startProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { content } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { mountLosingDisk } from './support/losing-disk.ts';
import { openDiskStore, openQuickDiskStore } from './support/open-disk-store.ts';
import { readContent } from './support/read-content.ts';
import { fillUp, mountSmallDisk } from './support/tmpfs.ts';
import { appendAll, finish } from './upload-conformance.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const UPLOAD_SLOWLY = fileURLToPath(new URL('./support/upload-slowly.ts', import.meta.url));
const START_MANY = fileURLToPath(new URL('./support/start-many.ts', import.meta.url));

/** The processor time that this thread has used, in ms: whatever else the machine does. */
function ownTimeMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

describe('an upload on the disk', () => {
  test('leaves nothing behind when it is stored or thrown away', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(1000);
    const layout = new Layout(opened.path);
    await using upload = await opened.store.startUpload('local/app');
    await upload.append([bytes]);
    expect((await readdir(layout.uploads)).sort()).toEqual([`${upload.id}.data`, `${upload.id}.json`]);
    await finish(upload, digest);
    const other = await opened.store.startUpload('local/app');
    await other[Symbol.asyncDispose]();
    await (await opened.reopen()).discardUpload(other.id);
    expect(await readdir(layout.uploads)).toEqual([]);
    expect(await readdir(layout.ingests)).toEqual([]);
  });

  test.each(['sha256', 'sha512'] as const)(
    'is hashed by %s beside the event loop, as it was expected or not',
    async (algorithm) => {
      await using opened = await openDiskStore();
      const { bytes } = content(256 * MIB, 'large');
      const startedAtMs = ownTimeMs();
      const digest = digestOf(bytes, algorithm);
      const hashingMs = ownTimeMs() - startedAtMs;
      await using upload = await opened.store.startUpload('local/app');
      await appendAll(upload, bytes, MIB);
      const appendedAtMs = ownTimeMs();
      expect(await upload.verify(digest)).toBe(true);
      expect(ownTimeMs() - appendedAtMs).toBeLessThan(hashingMs / 2);
      await upload.commit(digest);
      expect(await opened.store.verify(digest)).toBe('intact');
    },
  );

  test('is begun to be written to the disk while it still comes, beside others, and ends whole', async () => {
    await using opened = await openDiskStore();
    const all = Array.from({ length: 3 }, (_, seed) => content(80 * MIB, seed));
    await Promise.all(
      all.map(async ({ bytes, digest }) => {
        await using upload = await opened.store.startUpload('local/app');
        await appendAll(upload, bytes, MIB);
        await finish(upload, digest);
      }),
    );
    for (const { digest } of all) expect(await opened.store.verify(digest)).toBe('intact');
  });

  test('refuses a note that is longer than any that is read again', async () => {
    await using opened = await openQuickDiskStore();
    await expect(opened.store.startUpload('x'.repeat(65 * KIB))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await readdir(new Layout(opened.path).uploads)).toEqual([]);
  });

  test('starts though its folder was removed meanwhile', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(1000);
    for (let turn = 0; turn < 2; turn += 1) {
      await using upload = await opened.store.startUpload('local/app');
      await upload.append([bytes]);
      await finish(upload, digest);
      await rm(new Layout(opened.path).uploads, { recursive: true });
      expect(await opened.store.listUploads()).toEqual([]);
    }
  });
});

describe('uploads, after a crash,', () => {
  test('are cleared away where nobody can go on with them, and kept otherwise', async () => {
    await using opened = await openQuickDiskStore();
    const layout = new Layout(opened.path);
    const [kept, dataOnly, noteOnly, torn, junk, long] = await Promise.all(
      Array.from({ length: 6 }, async () => {
        await using upload = await opened.store.startUpload('local/app');
        await upload.append([Buffer.from('bytes')]);
        return upload.id;
      }),
    );
    if (!kept || !dataOnly || !noteOnly || !torn || !junk || !long) throw new Error('all were started');
    const note = await readFile(layout.uploadNote(kept));
    await rm(layout.uploadNote(dataOnly));
    await rm(layout.uploadData(noteOnly));
    await writeFile(layout.uploadNote(torn), note.subarray(0, 12));
    await writeFile(layout.uploadNote(junk), '{"version": 1, "note": 1}');
    await writeFile(
      layout.uploadNote(long),
      JSON.stringify({ ...JSON.parse(String(note)), more: 'x'.repeat(99 * KIB) }),
    );
    const others = ['lost+found', 'notes.txt', `${kept}.data.bak`, `${'A'.repeat(32)}.data`];
    for (const name of others) await writeFile(join(layout.uploads, name), 'not ours');
    await mkdir(join(layout.uploads, `${'b'.repeat(32)}.data`, 'folder'), { recursive: true });

    const store = await opened.reopen();
    expect(await store.listUploads()).toMatchObject([{ id: kept, sizeBytes: 5 }]);
    for (const id of [dataOnly, noteOnly, torn, junk, long]) {
      expect(await store.resumeUpload(id)).toBe(undefined);
      await store.discardUpload(id);
    }
    const debris = await store.debris();
    expect(debris.map(({ name }) => name).sort()).toEqual(
      [
        `${dataOnly}.data`,
        `${noteOnly}.json`,
        ...[torn, junk, long].flatMap((id) => [`${id}.data`, `${id}.json`]),
      ].sort(),
    );
    for (const { name, kind } of debris) {
      expect(kind).toBe('temporary');
      await store.removeDebris(name);
      await store.removeDebris(name);
    }
    const left = [`${kept}.data`, `${kept}.json`, ...others, `${'b'.repeat(32)}.data`];
    expect((await readdir(layout.uploads)).sort()).toEqual(left.sort());
    for (const name of left.filter((one) => one !== `${'b'.repeat(32)}.data`)) {
      await expect(store.removeDebris(name)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    }
    await using upload = await store.resumeUpload(kept);
    expect(upload?.sizeBytes).toBe(5);
  });

  test('are no debris as long as somebody works on them, however old they are', async () => {
    await using opened = await openQuickDiskStore();
    const layout = new Layout(opened.path);
    const upload = await opened.store.startUpload('local/app');
    await rm(layout.uploadNote(upload.id));
    await utimes(layout.uploadData(upload.id), 0, 0);
    const name = `${upload.id}.data`;
    expect(await opened.store.debris()).toEqual([]);
    await expect(opened.store.removeDebris(name)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await upload[Symbol.asyncDispose]();
    expect(await opened.store.debris()).toMatchObject([{ name, kind: 'temporary', atMs: 0 }]);
  });

  test('are never taken for debris while they begin and end', async () => {
    await using opened = await openQuickDiskStore();
    const store = await opened.reopen();
    const { bytes, digest } = content(1000);
    const over = new AbortController();
    const looking = (async () => {
      for (; !over.signal.aborted; await store.listUploads()) expect(await store.debris()).toEqual([]);
    })();
    for (let turn = 0; turn < 30; turn += 1) {
      await using upload = await store.startUpload('local/app');
      await upload.append([bytes]);
      if (turn % 2) await upload.discard();
      else await finish(upload, digest);
    }
    over.abort();
    await looking;
  });

  test('kill -9 in the middle, again and again, costs nothing that had arrived, and no byte is wrong', async () => {
    await using directory = await temporaryDirectory();
    const { bytes, digest } = content(16 * MIB, 'killed');
    let id: string | undefined;
    let before = 0;
    for (const [untilBytes, pauseMs] of [
      [MIB, 20],
      [13 * MIB, 0],
    ] as const) {
      let output = '';
      let isHeard = false;
      const told = (): [string, string] | undefined => {
        const line = output.split('\n').findLast((one) => /^[0-9a-f]{32} \d+$/.test(one));
        return line === undefined ? undefined : (line.split(' ') as [string, string]);
      };
      const args = [
        UPLOAD_SLOWLY,
        directory.path,
        String(bytes.length),
        'killed',
        String(pauseMs),
        ...(id ? [id] : []),
      ];
      await using child = await startProcess(process.execPath, args, {
        ready: (process) => {
          if (!isHeard) process.onStdout((text) => (output += text));
          isHeard = true;
          return Number(told()?.[1] ?? 0) >= untilBytes;
        },
      });
      expect(await child.kill()).toMatchObject({ signal: 'SIGKILL' });
      const [toldId, toldBytes] = told() ?? ['', '0'];
      id = toldId;
      await using store = await DiskStore.open(directory.path);
      expect(await store.debris()).toEqual([]);
      expect(await store.listUploads()).toMatchObject([{ id, note: 'local/app', isOpen: false }]);
      await using upload = await store.resumeUpload(id);
      expect(upload?.sizeBytes).toBeGreaterThanOrEqual(Math.max(before, Number(toldBytes)));
      before = upload?.sizeBytes ?? 0;
      expect(await upload?.verify(digestOf(bytes.subarray(0, before)))).toBe(true);
    }
    await using store = await DiskStore.open(directory.path);
    await using upload = await store.resumeUpload(id ?? '');
    if (!upload) throw new Error('it was there');
    await upload.append([bytes.subarray(before)]);
    await finish(upload, digest);
    expectBytes(await readContent(store, digest), bytes);
  });

  test('kill -9 in the middle of starting leaves those that were told of, and nothing that cannot be cleared away', async () => {
    await using directory = await temporaryDirectory();
    for (const count of [1, 40, 200]) {
      await using child = await startProcess(process.execPath, [START_MANY, directory.path], {
        ready: (process) => process.output.split('\n').length > count,
      });
      await child.kill();
      const told = child.output.split('\n').filter((line) => /^[0-9a-f]{32}$/.test(line));
      await using store = await DiskStore.open(directory.path);
      for (const { name } of await store.debris()) await store.removeDebris(name);
      const states = await store.listUploads();
      expect(states.map(({ id }) => id)).toEqual(expect.arrayContaining(told));
      expect(states.filter(({ id }) => told.includes(id)).every(({ sizeBytes }) => sizeBytes === 9)).toBe(true);
      for (const { id } of states) await store.discardUpload(id);
      expect(await readdir(new Layout(directory.path).uploads)).toEqual([]);
    }
  });
});

describe('an upload, on a disk that refuses,', () => {
  /** The file of an upload. */
  const dataOf = (path: string, upload: Upload): string => new Layout(path).uploadData(upload.id);

  test('keeps its size when the disk is full, and goes on when there is room', async () => {
    await using disk = await mountSmallDisk(4 * MIB);
    await using opened = await openDiskStore(disk.path);
    const { bytes, digest } = content(2 * MIB);
    await using upload = await opened.store.startUpload('local/app');
    await upload.append([bytes.subarray(0, 300 * KIB)]);
    const filler = await fillUp(disk.path);
    const rest = [bytes.subarray(300 * KIB, 300 * KIB + 1), bytes.subarray(300 * KIB + 1)];
    await expect(upload.append(rest)).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect(upload.sizeBytes).toBe(300 * KIB);
    expect((await stat(dataOf(disk.path, upload))).size).toBe(300 * KIB);
    // Those that stand behind the one that fails would come to lie in its place.
    const queued = await Promise.allSettled([upload.append(rest), upload.append([Buffer.from('late')])]);
    expect(queued).toMatchObject([{ reason: { code: 'STORE_FULL' } }, { reason: { code: 'STORE_FAILED' } }]);
    await rm(filler);
    await upload.append(rest);
    await finish(upload, digest);
    expectBytes(await readContent(opened.store, digest), bytes);
  });

  test('has after a restart what it had before the disk was full', async () => {
    await using disk = await mountSmallDisk(4 * MIB);
    await using opened = await openDiskStore(disk.path);
    const { bytes, digest } = content(6 * MIB);
    const upload = await opened.store.startUpload('local/app');
    await appendAll(upload, bytes.subarray(0, 3 * MIB), 100 * KIB);
    await expect(upload.append([bytes.subarray(3 * MIB)])).rejects.toMatchObject({ code: 'STORE_FULL' });
    await upload[Symbol.asyncDispose]();
    await using again = await (await opened.reopen()).resumeUpload(upload.id);
    expect(again?.sizeBytes).toBe(3 * MIB);
    expect(await again?.verify(digest)).toBe(false);
    expect(await again?.verify(digestOf(bytes.subarray(0, 3 * MIB)))).toBe(true);
    await again?.discard();
    expect(await readdir(new Layout(disk.path).uploads)).toEqual([]);
  });

  test('does not start without room for its note, and leaves no half of it', async () => {
    await using disk = await mountSmallDisk(4 * MIB);
    await using opened = await openDiskStore(disk.path);
    await (await opened.store.startUpload('the folder')).discard();
    await fillUp(disk.path);
    await expect(opened.store.startUpload('local/app')).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect(await readdir(new Layout(disk.path).uploads)).toEqual([]);
  });

  test('can be looked at on a disk that became read-only, and says STORE_READ_ONLY to everything else', async () => {
    await using disk = await mountSmallDisk(4 * MIB);
    let id: string;
    {
      await using opened = await openDiskStore(disk.path);
      await using upload = await opened.store.startUpload('local/app');
      await upload.append([Buffer.from('bytes')]);
      id = upload.id;
    }
    await disk.makeReadOnly();
    await using opened = await openDiskStore(disk.path);
    expect(await opened.store.listUploads()).toMatchObject([{ id, sizeBytes: 5 }]);
    await expect(opened.store.resumeUpload(id)).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    await expect(opened.store.discardUpload(id)).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    await expect(opened.store.startUpload('local/app')).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
  });

  test.each([
    ['at its end', 10 * MIB],
    ['while it still came', 40 * MIB],
  ])('is not stored when the disk has lost bytes that it had taken, as a sync tells %s', async (_, size) => {
    await using disk = await mountLosingDisk(6 * MIB, 128 * MIB);
    await using opened = await openDiskStore(disk.path);
    const { bytes, digest } = content(size, 'lost');
    const upload = await opened.store.startUpload('local/app');
    // Later ones are refused as soon as it is known.
    await appendAll(upload, bytes, MIB).catch((error: unknown) =>
      expect(error).toMatchObject({ code: 'STORE_FAILED' }),
    );
    const outcome = await finish(upload, digest).catch((error: unknown) => error);
    expect(['STORE_FULL', 'STORE_FAILED']).toContain((outcome as { code?: string }).code);
    await expect(upload.append([Buffer.of(0)])).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await opened.store.open(digest)).toBe(undefined);
    await upload[Symbol.asyncDispose]();
    // The system remembers what it lost as if it were there: nobody goes on with that.
    expect(await opened.store.resumeUpload(upload.id)).toBe(undefined);
  });

  test('can be gone on with when there was no place for its content', async () => {
    await using opened = await openQuickDiskStore();
    const { bytes, digest } = content(1000);
    const layout = new Layout(opened.path);
    const upload = await opened.store.startUpload('local/app');
    await upload.append([bytes]);
    // No file can take the place of a folder.
    await mkdir(join(layout.blob(digest), 'folder'), { recursive: true });
    await expect(finish(upload, digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(upload.append([bytes])).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await upload[Symbol.asyncDispose]();
    await rm(layout.blob(digest), { recursive: true });
    const again = await opened.store.resumeUpload(upload.id);
    if (!again) throw new Error('it was there');
    await finish(again, digest);
    expectBytes(await readContent(opened.store, digest), bytes);
  });
});
