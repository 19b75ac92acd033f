import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContentStore, Ingest } from '../../src/content/content-store.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { seededBytes } from '../support/bytes.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent } from './support/read-content.ts';

/** A store that a suite works on. */
export interface StoreUnderTest extends AsyncDisposable {
  /** The one that is open now. */
  readonly store: ContentStore;
  /** Closes it and opens another one on the same content, as a restart does. */
  reopen(): Promise<ContentStore>;
}

/** Content and its digest: the same for the same size and seed, and without a seed other content in each test. */
export function content(
  sizeBytes: number,
  seed: number | string = expect.getState().currentTestName ?? '',
): { bytes: Buffer; digest: Digest } {
  const bytes = seededBytes(sizeBytes, seed);
  return { bytes, digest: digestOf(bytes) };
}

/** Takes content in, one piece after the other, and commits it. */
export async function ingestAll(ingest: Ingest, bytes: Buffer, pieceBytes = 100_000): Promise<void> {
  ingest.describe(bytes.length, 'test');
  for (let at = 0; at < bytes.length; at += pieceBytes) await ingest.write([bytes.subarray(at, at + pieceBytes)], at);
  expect(await ingest.verify()).toBe(true);
  await ingest.commit();
}

/** One store for all tests of a suite, since making one takes longer than most tests: each has content of its own. */
export function shareStore(openStore: () => Promise<StoreUnderTest>): StoreUnderTest {
  let opened: StoreUnderTest | undefined;
  const current = (): StoreUnderTest => {
    if (!opened) throw new Error('the suite has not begun');
    return opened;
  };
  beforeAll(async () => {
    opened = await openStore();
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());
  return {
    get store() {
      return current().store;
    },
    reopen: () => current().reopen(),
    [Symbol.asyncDispose]: () => current()[Symbol.asyncDispose](),
  };
}

/** Takes everything out of a store. */
export async function empty(store: ContentStore): Promise<void> {
  for (const { digest } of await store.interrupted()) await store.discardInterrupted(digest);
  for (const { id } of await store.listUploads()) await store.discardUpload(id);
  for (const { name } of await store.debris()) await store.removeDebris(name);
  for (const digest of await Array.fromAsync(store.list())) await store.remove(digest);
}

/** What every content store does with whole content (src/content/content-store.ts). */
export function describeContentStore(name: string, openStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}, as a content store,`, () => {
    const opened = shareStore(openStore);

    test.each([0, 1, 1000, 65_536, 3_000_000])('gives back %i bytes that were put', async (size) => {
      const { bytes, digest } = content(size);
      await opened.store.put(digest, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
      expectBytes(await readContent(await opened.reopen(), digest), bytes);
    });

    test('keeps content by sha512 apart from content by sha256', async () => {
      const { bytes, digest } = content(5000);
      const long = digestOf(bytes, 'sha512');
      await opened.store.put(long, bytes);
      expect(await readContent(opened.store, digest)).toBe(undefined);
      expectBytes(await readContent(opened.store, long), bytes);
      expect(await opened.store.verify(long)).toBe('intact');
    });

    test('has nothing under a digest that was never stored', async () => {
      const { digest } = content(10);
      expect(await opened.store.open(digest)).toBe(undefined);
      expect(await opened.store.verify(digest)).toBe('missing');
    });

    test('takes the same content twice, at the same time too', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(10_000);
      await Promise.all([1, 2, 3].map(() => opened.store.put(digest, bytes)));
      await opened.store.put(digest, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
      expect(await Array.fromAsync(opened.store.list())).toEqual([digest]);
    });

    test('removes content, and lets it be removed again', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(1000);
      await opened.store.put(digest, bytes);
      await opened.store.remove(digest);
      await opened.store.remove(digest);
      expect(await opened.store.open(digest)).toBe(undefined);
      expect(await Array.fromAsync(opened.store.list())).toEqual([]);
    });

    test('lets a reader read on when its content is removed', async () => {
      const { bytes, digest } = content(100_000);
      await opened.store.put(digest, bytes);
      await using file = await opened.store.open(digest);
      await opened.store.remove(digest);
      const buffer = Buffer.alloc(100_000);
      expect(await file?.read(buffer, 0)).toBe(100_000);
      expectBytes(buffer, bytes);
    });

    test('reads from any offset, fills the buffer, and reads nothing at the end', async () => {
      const { bytes, digest } = content(100_000);
      await opened.store.put(digest, bytes);
      await using file = await opened.store.open(digest);
      if (!file) throw new Error('it was stored');
      for (const [position, length] of [
        [0, 10],
        [50_000, 50_000],
        [99_999, 10],
        [100_000, 10],
        [200_000, 10],
      ] as const) {
        const buffer = Buffer.alloc(length);
        const read = await file.read(buffer, position);
        expectBytes(buffer.subarray(0, read), bytes.subarray(position, position + length));
      }
    });

    test('lists digests in byte order', async () => {
      await empty(opened.store);
      const stored = Array.from({ length: 40 }, (_, seed) => content(10, seed));
      const long = digestOf(Buffer.from('x'), 'sha512');
      await opened.store.put(long, Buffer.from('x'));
      for (const { bytes, digest } of stored) await opened.store.put(digest, bytes);
      const listed = await Array.fromAsync(opened.store.list());
      expect(listed).toEqual([...stored.map(({ digest }) => digest), long].sort());
    });

    test('does not list, open or report as stored what is still being taken in', async () => {
      const { bytes, digest } = content(1000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(bytes.length, 'test');
      await ingest.write([bytes], 0);
      expect(await ingest.verify()).toBe(true);
      expect(await opened.store.open(digest)).toBe(undefined);
      expect(await opened.store.verify(digest)).toBe('missing');
      expect(await Array.fromAsync(opened.store.list())).not.toContain(digest);
    });

    test('knows when content was written', async () => {
      const { bytes, digest } = content(10);
      const beforeMs = Date.now();
      await opened.store.put(digest, bytes);
      await using file = await opened.store.open(digest);
      // The clock that files are stamped with lags some milliseconds behind.
      const modifiedAtMs = file?.modifiedAtMs ?? beforeMs;
      expect(modifiedAtMs).toBeGreaterThan(beforeMs - 1000);
      expect(modifiedAtMs).toBeLessThan(Date.now() + 1000);
    });

    test('knows the space of its disk', async () => {
      const { freeBytes, totalBytes } = await opened.store.space();
      expect(freeBytes).toBeGreaterThan(0);
      expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
    });
  });
}
