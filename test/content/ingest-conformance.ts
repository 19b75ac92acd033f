import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContentStore } from '../../src/content/content-store.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { content, ingestAll, shareStore, type StoreUnderTest } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent, readFrom } from './support/read-content.ts';

async function interruptedDigests(store: ContentStore): Promise<Digest[]> {
  return (await store.interrupted()).map(({ digest }) => digest);
}

/** What every content store does with content that comes in pieces (`Ingest` in src/content/content-store.ts). */
export function describeIngest(name: string, openStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}, taking content in piece by piece,`, () => {
    const opened = shareStore(openStore);

    test.each([0, 1, 250_000, 9_000_000])('stores %i bytes', async (size) => {
      const { bytes, digest } = content(size);
      {
        await using ingest = await opened.store.ingest(digest);
        await ingestAll(ingest, bytes);
      }
      expectBytes(await readContent(opened.store, digest), bytes);
      expect(await interruptedDigests(opened.store)).not.toContain(digest);
      expectBytes(await readContent(await opened.reopen(), digest), bytes);
    });

    test('stores what is addressed by sha512', async () => {
      const { bytes } = content(3_000_000);
      const digest = digestOf(bytes, 'sha512');
      await using ingest = await opened.store.ingest(digest);
      await ingestAll(ingest, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('takes pieces in any order, several at the same time, and stores the same content', async () => {
      const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 2999 }), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(cuts, fc.infiniteStream(fc.nat()), fc.nat(), async (places, dice, seed) => {
          const { bytes, digest } = content(3000, seed);
          const edges = [0, ...places.sort((a, b) => a - b), 3000];
          const pieces = edges
            .slice(1)
            .map((end, index) => ({ start: edges[index] ?? 0, end, turn: dice.next().value }));
          pieces.sort((a, b) => a.turn - b.turn);
          await using ingest = await opened.store.ingest(digest);
          ingest.describe(3000, 'test');
          const half = Math.ceil(pieces.length / 2);
          await Promise.all(
            pieces.slice(0, half).map(({ start, end }) => ingest.write([bytes.subarray(start, end)], start)),
          );
          for (const { start, end } of pieces.slice(half)) await ingest.write([bytes.subarray(start, end)], start);
          expect(ingest.have.toJSON()).toEqual([[0, 3000]]);
          expect(await ingest.verify()).toBe(true);
          await ingest.commit();
          expectBytes(await readContent(opened.store, digest), bytes);
        }),
        { numRuns: 25 },
      );
    });

    test('writes several chunks in a row, empty ones among them', async () => {
      const { bytes, digest } = content(1000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(1000, 'test');
      const chunks = [0, 300, 300, 301, 1000].map((start, index, all) => bytes.subarray(start, all[index + 1]));
      await ingest.write(chunks.slice(0, 4), 0);
      await ingest.write([], 1000);
      expect(ingest.have.toJSON()).toEqual([[0, 1000]]);
      expect(await ingest.verify()).toBe(true);
    });

    test('lets a reader read what has arrived, while the rest arrives', async () => {
      const { bytes, digest } = content(300_000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(300_000, 'test');
      await using reader = ingest.openReader();
      expect(reader.sizeBytes).toBe(300_000);
      await ingest.write([bytes.subarray(200_000)], 200_000);
      const tail = Buffer.alloc(100_000);
      expect(await reader.read(tail, 200_000)).toBe(100_000);
      expectBytes(tail, bytes.subarray(200_000));
      await ingest.write([bytes.subarray(0, 200_000)], 0);
      expectBytes(await readFrom(reader), bytes);
    });

    test('lets a reader read on when its content is committed, disposed of and removed', async () => {
      const { bytes, digest } = content(300_000);
      const ingest = await opened.store.ingest(digest);
      await using reader = ingest.openReader();
      await ingestAll(ingest, bytes);
      await ingest[Symbol.asyncDispose]();
      expectBytes(await readFrom(reader), bytes);
      await opened.store.remove(digest);
      expectBytes(await readFrom(reader), bytes);
    });

    test('lets a reader read on when the pieces are thrown away', async () => {
      const { bytes, digest } = content(1000);
      const ingest = await opened.store.ingest(digest);
      await using reader = ingest.openReader();
      await ingest.write([bytes], 0);
      await ingest.discard();
      expectBytes(await readFrom(reader), bytes);
    });

    test('finds that wrong bytes are wrong: one bit, too few, a gap', async () => {
      const { bytes, digest } = content(2_500_000);
      const flipped = Buffer.from(bytes);
      flipped[1_234_567] = (flipped[1_234_567] ?? 0) ^ 1;
      const attempts: [Buffer, number][][] = [
        [[flipped, 0]],
        [[bytes.subarray(0, 2_499_999), 0]],
        [
          [bytes.subarray(0, 1000), 0],
          [bytes.subarray(1001), 1001],
        ],
      ];
      for (const writes of attempts) {
        const ingest = await opened.store.ingest(digest);
        ingest.describe(bytes.length, 'test');
        for (const [piece, position] of writes) await ingest.write([piece], position);
        expect(await ingest.verify()).toBe(false);
        await ingest.discard();
      }
      expect(await opened.store.open(digest)).toBe(undefined);
    });

    test('goes on after a restart with what had arrived', async () => {
      const { bytes, digest } = content(500_000);
      {
        await using ingest = await opened.store.ingest(digest);
        ingest.describe(500_000, 'docker.io/library/app');
        await ingest.write([bytes.subarray(0, 100_000)], 0);
        await ingest.write([bytes.subarray(300_000, 400_000)], 300_000);
      }
      const store = await opened.reopen();
      const interrupted = (await store.interrupted()).find((one) => one.digest === digest);
      expect(interrupted?.origin).toBe('docker.io/library/app');
      await using ingest = await store.ingest(digest);
      expect(ingest.totalBytes).toBe(500_000);
      expect(ingest.have.toJSON()).toEqual([
        [0, 100_000],
        [300_000, 400_000],
      ]);
      await ingest.write([bytes.subarray(100_000, 300_000)], 100_000);
      await ingest.write([bytes.subarray(400_000)], 400_000);
      expect(await ingest.verify()).toBe(true);
      await ingest.commit();
      expectBytes(await readContent(store, digest), bytes);
      expect(await interruptedDigests(store)).not.toContain(digest);
    });

    test('begins with nothing after the pieces were thrown away', async () => {
      const { bytes, digest } = content(1000);
      const ingest = await opened.store.ingest(digest);
      ingest.describe(2000, 'test');
      await ingest.write([bytes], 0);
      await ingest.discard();
      await ingest[Symbol.asyncDispose]();
      expect(await interruptedDigests(opened.store)).not.toContain(digest);
      await using next = await opened.store.ingest(digest);
      expect([next.have.size, next.totalBytes]).toEqual([0, undefined]);
      await ingestAll(next, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('takes in many contents at the same time', async () => {
      const all = Array.from({ length: 20 }, (_, seed) => content(400_000, seed));
      await Promise.all(
        all.map(async ({ bytes, digest }) => {
          await using ingest = await opened.store.ingest(digest);
          await ingestAll(ingest, bytes, 70_000);
        }),
      );
      for (const { bytes, digest } of all) expectBytes(await readContent(opened.store, digest), bytes);
    });
  });
}
