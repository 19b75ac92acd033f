import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContentStore, Upload, UploadState } from '../../src/content/content-store.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { content, empty, shareStore, type StoreUnderTest } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent } from './support/read-content.ts';

/** Appends all of it, so much at a time. */
export async function appendAll(upload: Upload, bytes: Uint8Array, pieceBytes = 100_000): Promise<void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) await upload.append([bytes.subarray(at, at + pieceBytes)]);
}

/** Makes content of an upload to which all has been appended. */
export async function finish(upload: Upload, digest: Digest): Promise<void> {
  expect(await upload.verify(digest)).toBe(true);
  await upload.commit(digest);
}

async function stateOf(store: ContentStore, id: string): Promise<UploadState | undefined> {
  return (await store.listUploads()).find((state) => state.id === id);
}

async function resumed(store: ContentStore, id: string): Promise<Upload> {
  const upload = await store.resumeUpload(id);
  if (!upload) throw new Error(`${id} is not there`);
  return upload;
}

/** What every content store does with content whose digest comes last (`Upload` in src/content/content-store.ts). */
export function describeUploads(name: string, openStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}, taking in uploads,`, () => {
    const opened = shareStore(openStore);

    test.each([0, 1, 250_000, 9_000_000])('stores %i bytes', async (size) => {
      const { bytes, digest } = content(size);
      await using upload = await opened.store.startUpload('local/app');
      await appendAll(upload, bytes);
      expect(upload.sizeBytes).toBe(size);
      await finish(upload, digest);
      expectBytes(await readContent(opened.store, digest), bytes);
      expect(await stateOf(opened.store, upload.id)).toBe(undefined);
      expect(await opened.store.resumeUpload(upload.id)).toBe(undefined);
      expectBytes(await readContent(await opened.reopen(), digest), bytes);
    });

    test('stores by sha512, whether that was expected or not, and by sha256 where sha512 was expected', async () => {
      const { bytes, digest } = content(3_000_000);
      const long = digestOf(bytes, 'sha512');
      for (const [expected, actual] of [
        ['sha512', long],
        ['sha256', long],
        ['sha512', digest],
      ] as const) {
        await using upload = await opened.store.startUpload('local/app', expected);
        await appendAll(upload, bytes);
        await finish(upload, actual);
        expectBytes(await readContent(opened.store, actual), bytes);
        await opened.store.remove(actual);
      }
    });

    test('gives each an id that nobody can guess', async () => {
      const uploads = await Promise.all(Array.from({ length: 20 }, () => opened.store.startUpload('local/app')));
      const ids = uploads.map(({ id }) => id);
      expect(new Set(ids).size).toBe(20);
      for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
      await Promise.all(uploads.map((upload) => upload.discard()));
    });

    test('takes several chunks in a row, empty ones among them, and appends that do not wait for each other', async () => {
      const { bytes, digest } = content(100_000);
      await using upload = await opened.store.startUpload('local/app');
      const pieces = Array.from({ length: 100 }, (_, index) => bytes.subarray(index * 1000, (index + 1) * 1000));
      await Promise.all(
        pieces.map((piece) => upload.append([piece.subarray(0, 300), Buffer.alloc(0), piece.subarray(300)])),
      );
      await upload.append([]);
      await upload.append([Buffer.alloc(0)]);
      expect(upload.sizeBytes).toBe(bytes.length);
      await finish(upload, digest);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('lets the buffers be used again as soon as they were appended', async () => {
      const { bytes, digest } = content(1_000_000);
      await using upload = await opened.store.startUpload('local/app');
      const buffer = Buffer.alloc(10_000);
      for (let at = 0; at < bytes.length; at += buffer.length) {
        bytes.copy(buffer, 0, at);
        await upload.append([buffer]);
        buffer.fill(0);
      }
      expect(await upload.verify(digest)).toBe(true);
    });

    test('finds that wrong bytes are wrong, and goes on afterwards', async () => {
      const { bytes, digest } = content(2_500_000);
      await using upload = await opened.store.startUpload('local/app');
      expect(await upload.verify(digest)).toBe(false);
      await appendAll(upload, bytes.subarray(0, 2_000_000));
      expect(await upload.verify(digest)).toBe(false);
      expect(await upload.verify(digestOf(bytes.subarray(0, 2_000_000)))).toBe(true);
      await appendAll(upload, bytes.subarray(2_000_000));
      expect(await Promise.all([digest, digestOf(bytes, 'sha512'), digest].map((one) => upload.verify(one)))).toEqual([
        true,
        true,
        true,
      ]);
      await upload.append([Buffer.of(0)]);
      expect(await upload.verify(digest)).toBe(false);
      expect(await opened.store.open(digest)).toBe(undefined);
      await upload.discard();
    });

    test('makes content only of what was verified to be that', async () => {
      const { bytes, digest } = content(1000);
      await using upload = await opened.store.startUpload('local/app');
      await upload.append([bytes]);
      await expect(upload.commit(digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await upload.verify(content(1000, 'other').digest)).toBe(false);
      await expect(upload.commit(content(1000, 'other').digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await upload.verify(digest)).toBe(true);
      await expect(upload.commit(digestOf(bytes, 'sha512'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await upload.append([Buffer.of(0)]);
      await expect(upload.commit(digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await opened.store.open(digest)).toBe(undefined);
      await upload.discard();
    });

    test('goes on after it was disposed of and after a restart, whatever came in between', async () => {
      const anyAct = fc.oneof(
        { weight: 4, arbitrary: fc.nat({ max: 2000 }) },
        { weight: 2, arbitrary: fc.constant('dispose' as const) },
        { weight: 1, arbitrary: fc.constant('restart' as const) },
        { weight: 1, arbitrary: fc.constant('verify' as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(anyAct, { maxLength: 15 }), fc.boolean(), fc.nat(), async (acts, isLong, seed) => {
          const { bytes } = content(3000, `uploads ${seed}`);
          const note = `local/app ${seed} \u{1f6a2}`;
          let upload = await opened.store.startUpload(note, isLong ? 'sha512' : 'sha256');
          const { id } = upload;
          for (const act of acts) {
            const { sizeBytes } = upload;
            const sofar = bytes.subarray(0, sizeBytes);
            if (typeof act === 'number') await upload.append([bytes.subarray(sizeBytes, sizeBytes + act)]);
            else if (act === 'verify') expect(await upload.verify(digestOf(sofar, 'sha256'))).toBe(true);
            else {
              await upload[Symbol.asyncDispose]();
              upload = await resumed(act === 'restart' ? await opened.reopen() : opened.store, id);
              expect([upload.id, upload.note, upload.sizeBytes]).toEqual([id, note, sizeBytes]);
            }
          }
          await upload.append([bytes.subarray(upload.sizeBytes)]);
          const digest = digestOf(bytes, isLong ? 'sha512' : 'sha256');
          await finish(upload, digest);
          expectBytes(await readContent(opened.store, digest), bytes);
          await opened.store.remove(digest);
        }),
        { numRuns: 15 },
      );
    });

    test('goes on with one of which nothing has come', async () => {
      const { id } = await startAndLeave(opened.store, Buffer.alloc(0));
      await using upload = await resumed(await opened.reopen(), id);
      expect(upload.sizeBytes).toBe(0);
      const { bytes, digest } = content(10);
      await upload.append([bytes]);
      await finish(upload, digest);
    });

    test('tells what there is: how far each is, since when, and whether somebody is at it', async () => {
      await empty(opened.store);
      expect(await opened.store.listUploads()).toEqual([]);
      const beforeMs = Date.now() - 1000;
      const left = await startAndLeave(opened.store, content(5000).bytes, 'local/left');
      await using open = await opened.store.startUpload('local/open');
      await open.append([content(300).bytes]);
      const states = await opened.store.listUploads();
      expect(states.sort((one, other) => one.sizeBytes - other.sizeBytes)).toEqual([
        { id: open.id, note: 'local/open', sizeBytes: 300, atMs: expect.any(Number) as number, isOpen: true },
        { id: left.id, note: 'local/left', sizeBytes: 5000, atMs: expect.any(Number) as number, isOpen: false },
      ]);
      for (const { atMs } of states) {
        expect(atMs).toBeGreaterThan(beforeMs);
        expect(atMs).toBeLessThan(Date.now() + 1000);
      }
      await open[Symbol.asyncDispose]();
      expect(await stateOf(await opened.reopen(), open.id)).toMatchObject({ sizeBytes: 300, isOpen: false });
    });

    test('counts an upload neither as content nor as debris nor as an interrupted ingest', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(1000);
      const { id } = await startAndLeave(opened.store, bytes);
      await using open = await opened.store.startUpload('local/app');
      await open.append([bytes]);
      expect(await open.verify(digest)).toBe(true);
      for (const store of [opened.store, await opened.reopen()]) {
        expect(await store.open(digest)).toBe(undefined);
        expect(await Array.fromAsync(store.list())).toEqual([]);
        expect(await store.debris()).toEqual([]);
        expect(await store.interrupted()).toEqual([]);
      }
      expect(await stateOf(opened.store, id)).toBeDefined();
    });

    test('refuses to open an upload twice, and to throw away one that is open', async () => {
      const { bytes, digest } = content(1000);
      await using upload = await opened.store.startUpload('local/app');
      await upload.append([bytes]);
      await expect(opened.store.resumeUpload(upload.id)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await expect(opened.store.discardUpload(upload.id)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await upload[Symbol.asyncDispose]();
      const both = await Promise.allSettled([1, 2].map(() => opened.store.resumeUpload(upload.id)));
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const again = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))[0];
      if (!again) throw new Error('it was there');
      await finish(again, digest);
    });

    test('opens an upload as soon as the one who had it is done with it', async () => {
      const { bytes, digest } = content(500_000);
      const first = await opened.store.startUpload('local/app');
      const appended = first.append([bytes]);
      const disposed = first[Symbol.asyncDispose]();
      const second = await resumed(opened.store, first.id);
      expect(second.sizeBytes).toBe(bytes.length);
      await Promise.all([appended, disposed]);
      const discarded = second.discard();
      expect(await opened.store.resumeUpload(first.id)).toBe(undefined);
      await discarded;
      expect(await opened.store.open(digest)).toBe(undefined);
    });

    test('throws an upload away, open or not, and nothing where there is none', async () => {
      await empty(opened.store);
      const { bytes } = content(100_000);
      const { id } = await startAndLeave(opened.store, bytes);
      await opened.store.discardUpload(id);
      await opened.store.discardUpload(id);
      const open = await opened.store.startUpload('local/app');
      await open.append([bytes]);
      await open.discard();
      await open.discard();
      await open[Symbol.asyncDispose]();
      for (const store of [opened.store, await opened.reopen()]) {
        expect(await store.listUploads()).toEqual([]);
        expect(await store.debris()).toEqual([]);
        expect(await store.resumeUpload(id)).toBe(undefined);
        expect(await store.resumeUpload(open.id)).toBe(undefined);
      }
    });

    test.each([
      '',
      '.',
      '..',
      '../blobs',
      '/etc/passwd',
      'a'.repeat(31),
      'A'.repeat(32),
      `${'a'.repeat(32)}.data`,
      '0',
    ])('knows none by the id %j', async (id) => {
      expect(await opened.store.resumeUpload(id)).toBe(undefined);
      await opened.store.discardUpload(id);
    });

    test('does nothing more with an upload that is over', async () => {
      const { bytes, digest } = content(1000);
      const [stored, discarded, disposed] = await Promise.all(
        [1, 2, 3].map(() => opened.store.startUpload('local/app')),
      );
      if (!stored || !discarded || !disposed) throw new Error('all were started');
      await stored.append([bytes]);
      await finish(stored, digest);
      await discarded.discard();
      await disposed[Symbol.asyncDispose]();
      for (const over of [stored, discarded, disposed]) {
        await expect(over.append([bytes])).rejects.toMatchObject({ code: 'STORE_FAILED' });
        await expect(over.verify(digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
        await expect(over.commit(digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
        await over.discard();
        await over[Symbol.asyncDispose]();
      }
      expectBytes(await readContent(opened.store, digest), bytes);
      await opened.store.discardUpload(disposed.id);
    });

    test('ends verifying when the upload is disposed of', async () => {
      const { bytes, digest } = content(20_000_000);
      const upload = await opened.store.startUpload('local/app', 'sha512');
      await appendAll(upload, bytes, 1_000_000);
      const verdict = upload.verify(digest).catch((error: unknown) => error);
      await upload[Symbol.asyncDispose]();
      const outcome = await verdict;
      if (outcome !== true) expect(outcome).toMatchObject({ code: 'STORE_FAILED' });
      await using again = await resumed(opened.store, upload.id);
      expect(await again.verify(digest)).toBe(true);
    });

    test('takes many at the same time, the same content among them', async () => {
      const all = Array.from({ length: 24 }, (_, seed) => content(400_000, seed % 8));
      await Promise.all(
        all.map(async ({ bytes, digest }, index) => {
          await using upload = await opened.store.startUpload(`local/${index}`);
          await appendAll(upload, bytes, 70_000);
          await finish(upload, digest);
        }),
      );
      for (const { bytes, digest } of all) expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('lets who reads the same content read on when it is stored once more', async () => {
      const { bytes, digest } = content(100_000);
      await opened.store.put(digest, bytes);
      await using file = await opened.store.open(digest);
      await using upload = await opened.store.startUpload('local/app');
      await upload.append([bytes]);
      await finish(upload, digest);
      const buffer = Buffer.alloc(bytes.length);
      expect(await file?.read(buffer, 0)).toBe(bytes.length);
      expectBytes(buffer, bytes);
    });
  });
}

/** Starts an upload and leaves it alone after so many bytes. */
async function startAndLeave(store: ContentStore, bytes: Uint8Array, note = 'local/app'): Promise<{ id: string }> {
  await using upload = await store.startUpload(note);
  await upload.append([bytes]);
  return { id: upload.id };
}
