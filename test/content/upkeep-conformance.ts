import { describe, expect, test } from 'vitest';
import { ContentError } from '../../src/content/content-error.ts';
import type { ContentStore, Debris } from '../../src/content/content-store.ts';
import { content, empty, ingestAll, shareStore, type StoreUnderTest } from './content-store-conformance.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent } from './support/read-content.ts';

async function quarantined(store: ContentStore): Promise<Debris[]> {
  return (await store.debris()).filter(({ kind }) => kind === 'quarantined');
}

/** What every content store does to look after its content (`ContentUpkeep` in src/content/content-store.ts). */
export function describeUpkeep(name: string, openStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}, looking after its content,`, () => {
    const opened = shareStore(openStore);

    test.each([0, 1, 5_000_000])('notices by verify that %i stored bytes are not what they should be', async (size) => {
      const { bytes, digest } = content(size);
      await opened.store.put(digest, bytes);
      expect(await opened.store.verify(digest)).toBe('intact');
      const wrong = Buffer.concat([bytes.subarray(0, size - 1), Buffer.of((bytes[size - 1] ?? 0) ^ 1)]);
      await opened.store.put(digest, wrong);
      expect(await opened.store.verify(digest)).toBe('damaged');
      expect(await opened.store.verify(digest, { bytesPerSecond: 100_000_000 })).toBe('damaged');
    });

    test('verifies many things at the same time', async () => {
      const stored = Array.from({ length: 20 }, (_, seed) => content(200_000, seed));
      await Promise.all(stored.map(({ bytes, digest }) => opened.store.put(digest, bytes)));
      const pace = { bytesPerSecond: 10_000_000 };
      const verdicts = await Promise.all(
        stored.map(({ digest }, index) => opened.store.verify(digest, index % 2 ? pace : {})),
      );
      expect(new Set(verdicts)).toEqual(new Set(['intact']));
    });

    test.each([
      [300_000, 1_000_000],
      [2_000_000, 10_000_000],
    ])('reads %i bytes no faster than %i a second', async (size, bytesPerSecond) => {
      const { bytes, digest } = content(size);
      await opened.store.put(digest, bytes);
      const startedAtMs = performance.now();
      expect(await opened.store.verify(digest, { bytesPerSecond })).toBe('intact');
      expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual((size / bytesPerSecond) * 1000 * 0.95);
    });

    test('ends verifying when the signal says so, with its reason', async () => {
      const { bytes, digest } = content(1_000_000);
      await opened.store.put(digest, bytes);
      const reason = new Error('enough');
      // At one byte a second this would take days.
      for (const bytesPerSecond of [1, undefined]) {
        const stop = new AbortController();
        const pace = bytesPerSecond === undefined ? {} : { bytesPerSecond };
        const verdict = opened.store.verify(digest, { ...pace, signal: stop.signal });
        setTimeout(() => stop.abort(reason), bytesPerSecond === undefined ? 0 : 20);
        const outcome = await verdict.catch((error: unknown) => error);
        if (bytesPerSecond !== undefined || outcome !== 'intact') expect(outcome).toBe(reason);
      }
      const signal = AbortSignal.abort(reason);
      await expect(opened.store.verify(digest, { signal })).rejects.toBe(reason);
      expect(await opened.store.verify(digest, { signal: new AbortController().signal })).toBe('intact');
    });

    test('puts damaged content aside: it is content no more, and can be stored again', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(100_000);
      await opened.store.put(digest, content(100_000, 'other bytes').bytes);
      await opened.store.quarantine(digest);
      expect(await opened.store.open(digest)).toBe(undefined);
      expect(await opened.store.verify(digest)).toBe('missing');
      expect(await Array.fromAsync(opened.store.list())).toEqual([]);
      const [aside] = await quarantined(await opened.reopen());
      expect(aside).toMatchObject({ sizeBytes: expect.any(Number) as number, atMs: expect.any(Number) as number });
      expect(aside?.sizeBytes).toBeGreaterThanOrEqual(100_000);
      await opened.store.put(digest, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
      await opened.store.removeDebris(aside?.name ?? '');
      await opened.store.removeDebris(aside?.name ?? '');
      expect(await quarantined(opened.store)).toEqual([]);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('puts the same content aside twice, and keeps the newer', async () => {
      await empty(opened.store);
      const { digest } = content(10);
      for (const size of [10_000, 50_000]) {
        await opened.store.put(digest, content(size, 'wrong').bytes);
        await opened.store.quarantine(digest);
      }
      const aside = await quarantined(opened.store);
      expect(aside).toHaveLength(1);
      expect(aside[0]?.sizeBytes).toBeGreaterThanOrEqual(50_000);
    });

    test('has nothing to put aside where there is nothing', async () => {
      await empty(opened.store);
      await opened.store.quarantine(content(10).digest);
      expect(await quarantined(opened.store)).toEqual([]);
    });

    test('lets a reader read on when content is put aside', async () => {
      const { bytes, digest } = content(1000);
      await opened.store.put(digest, bytes);
      await using file = await opened.store.open(digest);
      await opened.store.quarantine(digest);
      const buffer = Buffer.alloc(1000);
      expect(await file?.read(buffer, 0)).toBe(1000);
      expectBytes(buffer, bytes);
    });

    test('tells what an interrupted ingest takes, and since when', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(500_000);
      const beforeMs = Date.now();
      {
        await using ingest = await opened.store.ingest(digest);
        ingest.describe(1_000_000, 'docker.io/library/app');
        await ingest.write([bytes], 300_000);
      }
      const [interrupted, ...others] = await opened.store.interrupted();
      expect(others).toEqual([]);
      expect(interrupted).toMatchObject({ digest, origin: 'docker.io/library/app' });
      // Its pieces and its ledger, but not the hole before them.
      expect(interrupted?.sizeBytes).toBeGreaterThanOrEqual(500_000);
      expect(interrupted?.sizeBytes).toBeLessThan(600_000);
      expect(interrupted?.atMs).toBeGreaterThan(beforeMs - 1000);
      expect(interrupted?.atMs).toBeLessThan(Date.now() + 1000);
    });

    test('knows no interrupted ingest of which nothing had come', async () => {
      await empty(opened.store);
      for (const totalBytes of [undefined, 1000]) {
        await using ingest = await opened.store.ingest(content(1000).digest);
        if (totalBytes !== undefined) ingest.describe(totalBytes, 'test');
      }
      expect(await opened.store.interrupted()).toEqual([]);
    });

    test('leaves ingests alone that are under way, whenever it looks for interrupted ones', async () => {
      await empty(opened.store);
      const { store } = opened;
      const over = new AbortController();
      const looking = (async () => {
        for (; !over.signal.aborted; await store.debris()) expect(await store.interrupted()).toEqual([]);
      })();
      const taken = Array.from({ length: 8 }, (_, seed) => content(300_000, seed));
      await Promise.all(
        taken.map(async ({ bytes, digest }, index) => {
          if (index % 2) return store.put(digest, bytes);
          await using ingest = await store.ingest(digest);
          await ingestAll(ingest, bytes, 30_000);
        }),
      );
      over.abort();
      await looking;
      for (const { bytes, digest } of taken) expectBytes(await readContent(store, digest), bytes);
    });

    test('throws an interrupted ingest away, and nothing where there is none', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(1000);
      {
        await using ingest = await opened.store.ingest(digest);
        ingest.describe(2000, 'test');
        await ingest.write([bytes], 0);
      }
      await opened.store.discardInterrupted(digest);
      await opened.store.discardInterrupted(digest);
      expect(await opened.store.interrupted()).toEqual([]);
      await using ingest = await opened.store.ingest(digest);
      expect(ingest.have.size).toBe(0);
    });

    test('refuses to throw an ingest away that is under way, and to begin it twice', async () => {
      await empty(opened.store);
      const { bytes, digest } = content(100_000);
      await using ingest = await opened.store.ingest(digest);
      await expect(opened.store.discardInterrupted(digest)).rejects.toBeInstanceOf(ContentError);
      await expect(opened.store.ingest(digest)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await ingestAll(ingest, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test('begins an ingest again as soon as the one before it ends', async () => {
      const { bytes, digest } = content(100_000);
      const first = await opened.store.ingest(digest);
      first.describe(bytes.length, 'test');
      await first.write([bytes.subarray(0, 50_000)], 0);
      const disposed = first[Symbol.asyncDispose]();
      const second = await opened.store.ingest(digest);
      await disposed;
      expect(second.have.toJSON()).toEqual([[0, 50_000]]);
      const discarded = second.discard();
      await using third = await opened.store.ingest(digest);
      await discarded;
      expect(third.have.size).toBe(0);
      await ingestAll(third, bytes);
      // What is content is no ingest's any more, even if the old one has not been disposed of.
      await using fourth = await opened.store.ingest(digest);
      await third[Symbol.asyncDispose]();
      await ingestAll(fourth, bytes);
      expectBytes(await readContent(opened.store, digest), bytes);
    });

    test.each([
      '',
      '.',
      '..',
      '/etc/passwd',
      'sha256-',
      'sha256-abc',
      `../sha256-${'a'.repeat(64)}`,
      `sha256-${'a'.repeat(63)}/`,
      `sha256-${'A'.repeat(64)}`,
      `sha256-${'a'.repeat(64)}.part`,
      `sha256-${'a'.repeat(64)}.json`,
      'put-0123456789abcdef.tmp/../../index.sqlite',
      'lost+found',
    ])('removes nothing by the name %j', async (debrisName) => {
      await expect(opened.store.removeDebris(debrisName)).rejects.toBeInstanceOf(ContentError);
    });
  });
}
