import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Ingest } from '../../src/content/content-store.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { content, ingestAll, shareStore, type StoreUnderTest } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent, readFrom } from './support/read-content.ts';

const SIZE = 3000;

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly acts: readonly ('write' | 'pass')[];
}

const anyPieces = fc
  .record({
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: SIZE - 1 }), { maxLength: 12 }),
    acts: fc.array(fc.constantFrom<Piece['acts'][]>(['write'], ['pass'], ['pass', 'write']), {
      minLength: 13,
      maxLength: 13,
    }),
  })
  .map(({ cuts, acts }): Piece[] => {
    const edges = [0, ...cuts.sort((a, b) => a - b), SIZE];
    return edges.slice(1).map((end, index) => ({ start: edges[index] ?? 0, end, acts: acts[index] ?? ['write'] }));
  });

/** Brings all pieces in some order that the contract allows: a piece can only be passed where the prefix ends. */
async function bring(ingest: Ingest, bytes: Uint8Array, pieces: readonly Piece[], pick: () => number): Promise<void> {
  const left = pieces.flatMap(({ start, end, acts }) => acts.map((act) => ({ start, end, act })));
  const writes: Promise<void>[] = [];
  while (left.length > 0) {
    const frontier = ingest.have.endFrom(0);
    const possible = left.filter(({ act, start }) => act === 'write' || start <= frontier);
    const next = possible[pick() % possible.length];
    if (!next) {
      // The next one waits for writes before it.
      await Promise.all(writes.splice(0));
      continue;
    }
    left.splice(left.indexOf(next), 1);
    const chunks = [bytes.subarray(next.start, next.end)];
    if (next.act === 'write') {
      const written = ingest.write(chunks, next.start);
      writes.push(written);
      if (pick() % 2) await written;
    } else if (next.start === frontier) {
      ingest.pass(chunks, next.start);
    }
  }
  await Promise.all(writes);
}

/** What every content store does with bytes that are not kept (`Ingest.pass` in src/content/content-store.ts). */
export function describePassing(name: string, openStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}, taking in bytes that it does not keep,`, () => {
    const opened = shareStore(openStore);

    test('knows whether they are right, whatever is written and whatever passed, in any order', async () => {
      await fc.assert(
        fc.asyncProperty(
          anyPieces,
          fc.infiniteStream(fc.nat()),
          fc.nat(),
          fc.option(fc.nat({ max: SIZE - 1 })),
          async (pieces, dice, seed, wrongAt) => {
            const { bytes, digest } = content(SIZE, `passing ${seed}`);
            if (wrongAt !== null) bytes[wrongAt] = (bytes[wrongAt] ?? 0) ^ 1;
            {
              await using ingest = await opened.store.ingest(digest);
              ingest.describe(SIZE, 'test');
              await bring(ingest, bytes, pieces, () => dice.next().value);
              expect(ingest.have.toJSON()).toEqual([[0, SIZE]]);
              expect(await ingest.verify()).toBe(wrongAt === null);
            }
            const written = pieces.filter(({ acts }) => acts.includes('write'));
            await using next = await opened.store.ingest(digest);
            expect(next.have.size).toBe(written.reduce((sum, { start, end }) => sum + end - start, 0));
            for (const { start, end } of written) {
              expect(next.have.firstGap(start, end)).toBe(undefined);
            }
            await next.discard();
          },
        ),
        { numRuns: 40 },
      );
    });

    test('hashes what is in the store already before and after them', async () => {
      const { bytes, digest } = content(9_000_000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(bytes.length, 'test');
      await ingest.write([bytes.subarray(5_000_000, 8_000_000)], 5_000_000);
      await ingest.write([bytes.subarray(0, 3_000_000)], 0);
      ingest.pass([bytes.subarray(3_000_000, 3_000_010), bytes.subarray(3_000_010, 5_000_000)], 3_000_000);
      expect(ingest.have.endFrom(0)).toBe(8_000_000);
      ingest.pass([bytes.subarray(8_000_000, 8_500_000)], 8_000_000);
      await ingest.write([bytes.subarray(8_500_000)], 8_500_000);
      expect(await ingest.verify()).toBe(true);
    });

    test('takes them by copy: the buffer can be used again', async () => {
      const { bytes, digest } = content(1_000_000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(bytes.length, 'test');
      const buffer = Buffer.alloc(10_000);
      for (let at = 0; at < bytes.length; at += buffer.length) {
        bytes.copy(buffer, 0, at);
        ingest.pass([buffer.subarray(0, 5000), buffer.subarray(5000)], at);
        buffer.fill(0);
      }
      expect(await ingest.verify()).toBe(true);
    });

    test('refuses to make content of them', async () => {
      const { bytes, digest } = content(1000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(bytes.length, 'test');
      ingest.pass([bytes.subarray(0, 10)], 0);
      await ingest.write([bytes.subarray(10)], 10);
      // Even bytes that are there after all came too late: hashed was what was passed.
      await ingest.write([bytes.subarray(0, 10)], 0);
      expect(await ingest.verify()).toBe(true);
      await expect(ingest.commit()).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await opened.store.open(digest)).toBe(undefined);
    });

    test('takes them only where the contiguous prefix ends, and goes on after one that was refused', async () => {
      const { bytes, digest } = content(1000);
      await using ingest = await opened.store.ingest(digest);
      ingest.describe(bytes.length, 'test');
      await ingest.write([bytes.subarray(500)], 500);
      await ingest.write([bytes.subarray(0, 100)], 0);
      for (const position of [0, 99, 101, 500, 1000]) {
        expect(() => ingest.pass([bytes.subarray(position)], position)).toThrow(
          expect.objectContaining({ code: 'STORE_FAILED' }) as Error,
        );
      }
      expect(ingest.have.size).toBe(600);
      ingest.pass([bytes.subarray(100, 500)], 100);
      expect(await ingest.verify()).toBe(true);
    });

    test('can still store the content when what was passed was nothing', async () => {
      const { bytes, digest } = content(1000);
      await using ingest = await opened.store.ingest(digest);
      ingest.pass([], 0);
      ingest.pass([new Uint8Array()], 0);
      await ingestAll(ingest, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('goes on after a restart with what was written, and only that', async () => {
      const { bytes, digest } = content(500_000);
      {
        await using ingest = await opened.store.ingest(digest);
        ingest.describe(bytes.length, 'test');
        await ingest.write([bytes.subarray(0, 100_000)], 0);
        await ingest.write([bytes.subarray(300_000, 400_000)], 300_000);
        ingest.pass([bytes.subarray(100_000, 300_000)], 100_000);
        ingest.pass([bytes.subarray(400_000)], 400_000);
        expect(await ingest.verify()).toBe(true);
      }
      await using ingest = await (await opened.reopen()).ingest(digest);
      expect(ingest.have.toJSON()).toEqual([
        [0, 100_000],
        [300_000, 400_000],
      ]);
      await ingest.write([bytes.subarray(100_000, 300_000)], 100_000);
      await ingest.write([bytes.subarray(400_000)], 400_000);
      expect(await ingest.verify()).toBe(true);
      await ingest.commit();
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('takes none after its end', async () => {
      const { bytes, digest } = content(10);
      const ingest = await opened.store.ingest(digest);
      await ingest[Symbol.asyncDispose]();
      const passing = opened.store.passThrough(digest);
      await passing.discard();
      for (const ended of [ingest, passing]) expect(() => ended.pass([bytes], 0)).toThrow('has ended');
    });
  });

  describe(`${name}, passing content through,`, () => {
    const opened = shareStore(openStore);

    test.each([0, 1, 2_000_000])('knows of %i bytes whether they are right', async (size) => {
      const { bytes, digest } = content(size);
      for (const isRight of [true, false]) {
        await using passing = opened.store.passThrough(digest);
        passing.describe(size, 'test');
        for (let at = 0; at < size; at += 300_000) passing.pass([bytes.subarray(at, at + 300_000)], at);
        if (!isRight) passing.pass([Buffer.of(0)], size);
        expect(passing.have.toJSON()).toEqual(size + (isRight ? 0 : 1) > 0 ? [[0, size + (isRight ? 0 : 1)]] : []);
        expect([passing.digest, passing.totalBytes]).toEqual([digest, size]);
        expect(await passing.verify()).toBe(isRight);
      }
    });

    test('hashes by sha512 too', async () => {
      const { bytes } = content(1000);
      await using passing = opened.store.passThrough(digestOf(bytes, 'sha512'));
      passing.pass([bytes], 0);
      expect(await passing.verify()).toBe(true);
    });

    test('keeps nothing, gives nothing to read, and stores nothing', async () => {
      const { bytes, digest } = content(1000);
      await using passing = opened.store.passThrough(digest);
      await using reader = passing.openReader();
      await expect(passing.write([bytes], 0)).rejects.toMatchObject({ code: 'STORE_FULL' });
      expect(() => passing.pass([bytes], 1)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }) as Error);
      passing.pass([bytes], 0);
      await expect(readFrom(reader)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await passing.verify()).toBe(true);
      await expect(passing.commit()).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await opened.store.open(digest)).toBe(undefined);
      expect((await opened.store.interrupted()).map((ingest) => ingest.digest)).not.toContain(digest);
    });

    test('does so beside an ingest of the same content, and more than once', async () => {
      const { bytes, digest } = content(100_000);
      await using ingest = await opened.store.ingest(digest);
      await using first = opened.store.passThrough(digest);
      await using second = opened.store.passThrough(digest);
      for (const passing of [first, second]) passing.pass([bytes], 0);
      await ingestAll(ingest, bytes);
      expect(await Promise.all([first.verify(), second.verify()])).toEqual([true, true]);
    });
  });
}
