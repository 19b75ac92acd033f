import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { BoundedIngest } from '../../../src/registry/fill/bounded-ingest.ts';
import type { DiskBudget } from '../../../src/registry/space/disk-budget.ts';
import { expectBytes } from '../../content/support/expect-bytes.ts';
import { type OpenedDiskStore, openQuickDiskStore } from '../../content/support/open-disk-store.ts';
import { readContent } from '../../content/support/read-content.ts';
import { mountSmallDisk } from '../../content/support/tmpfs.ts';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';
import { budgetOver, quotaFor } from '../space/figures.ts';
import { follow } from './follow.ts';

const MIB = 1024 * 1024;
const PIECE = 100_000;

let opened: OpenedDiskStore;
beforeAll(async () => {
  opened = await openQuickDiskStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

function content(sizeBytes: number): { bytes: Buffer; digest: Digest } {
  const bytes = seededBytes(sizeBytes, expect.getState().currentTestName ?? '');
  return { bytes, digest: digestOf(bytes) };
}

/** An ingest of the store under that budget, and what it told of what it does not keep. */
async function bounded(
  digest: Digest,
  budget: DiskBudget,
  store: DiskStore = opened.store,
): Promise<{ ingest: BoundedIngest; passings: unknown[] }> {
  const passings: unknown[] = [];
  const ingest = new BoundedIngest(await store.ingest(digest), {
    budget,
    registry: 'docker.io',
    onPassing: (reason, sizeBytes) => passings.push([reason, sizeBytes]),
  });
  return { ingest, passings };
}

async function writeAll(ingest: BoundedIngest, bytes: Buffer, from = 0, to = bytes.length): Promise<void> {
  for (let at = from; at < to; at += PIECE) await ingest.write([bytes.subarray(at, Math.min(at + PIECE, to))], at);
}

async function filesOf(folder = opened.path): Promise<string[]> {
  return readdir(join(folder, 'ingest'));
}

async function inFlightBytes(budget: DiskBudget): Promise<number> {
  return (await budget.read()).inFlightBytes;
}

describe('an ingest that has room', () => {
  test('keeps what comes, and has promised space for it until its row counts', async () => {
    const { bytes, digest } = content(MIB);
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    const { ingest, passings } = await bounded(digest, budget);
    ingest.describe(bytes.length, 'test');
    await writeAll(ingest, bytes);
    expect([ingest.isPassing, ingest.totalBytes, ingest.digest]).toEqual([false, MIB, digest]);
    expect(await inFlightBytes(budget)).toBeGreaterThanOrEqual(MIB);
    expect((await budget.read()).unwrittenBytes).toBeLessThan(64 * 1024);
    expect(await ingest.verify()).toBe(true);
    await ingest.commit();
    expect(await inFlightBytes(budget)).toBeGreaterThanOrEqual(MIB);
    ingest.settle();
    expect(await inFlightBytes(budget)).toBe(0);
    await ingest[Symbol.asyncDispose]();
    expectBytes(await readContent(opened.store, digest), bytes);
    expect([passings, budget.parked]).toEqual([[], []]);
  });

  test('promises more and more for a blob whose size nobody told', async () => {
    const { bytes, digest } = content(10 * MIB);
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    const { ingest } = await bounded(digest, budget);
    await writeAll(ingest, bytes, 0, PIECE);
    expect(await inFlightBytes(budget)).toBeLessThan(10 * MIB);
    await writeAll(ingest, bytes, PIECE);
    expect(await inFlightBytes(budget)).toBeGreaterThanOrEqual(10 * MIB);
    ingest.describe(bytes.length, 'test');
    expect(await ingest.verify()).toBe(true);
    await ingest.discard();
    expect(await inFlightBytes(budget)).toBe(0);
    expect(await filesOf()).toEqual([]);
  });

  test('that is interrupted keeps its pieces and their space, for the next one to go on with', async () => {
    const { bytes, digest } = content(MIB);
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    const first = (await bounded(digest, budget)).ingest;
    first.describe(bytes.length, 'test');
    await writeAll(first, bytes, 0, 500_000);
    await first[Symbol.asyncDispose]();
    expect(budget.parked).toMatchObject([{ digest }]);
    expect(budget.parked[0]?.sizeBytes).toBeGreaterThanOrEqual(500_000);
    expect(await inFlightBytes(budget)).toBe(budget.parked[0]?.sizeBytes);

    const { ingest } = await bounded(digest, budget);
    expect(ingest.have.toJSON()).toEqual([[0, 500_000]]);
    ingest.describe(bytes.length, 'test');
    await writeAll(ingest, bytes, 500_000);
    expect(budget.parked).toEqual([]);
    expect(await inFlightBytes(budget)).toBeLessThan(MIB + 64 * 1024);
    expect((await budget.read()).unwrittenBytes).toBeLessThan(64 * 1024);
    expect(await ingest.verify()).toBe(true);
    await ingest.commit();
    ingest.settle();
    await ingest[Symbol.asyncDispose]();
    expectBytes(await readContent(opened.store, digest), bytes);
  });
});

describe('an ingest without room', () => {
  test('streams its bytes through to every reader, and leaves nothing', async () => {
    const { bytes, digest } = content(5 * MIB);
    const { budget } = budgetOver({ quotaBytes: 4 * MIB });
    const { ingest, passings } = await bounded(digest, budget);
    const readers = [ingest.openReader(), ingest.openReader(0)];
    ingest.describe(bytes.length, 'test');
    const got = readers.map((reader) => follow(ingest, reader, { from: 0, to: bytes.length }));
    await writeAll(ingest, bytes);
    for (const read of got) expectBytes(await read, bytes);
    expect(ingest.isPassing).toBe(true);
    expect(passings).toEqual([['quota', bytes.length]]);
    expect(await ingest.verify()).toBe(true);
    await expect(ingest.commit()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    for (const reader of readers) await reader[Symbol.asyncDispose]();
    await ingest[Symbol.asyncDispose]();
    expect([await filesOf(), await inFlightBytes(budget), budget.parked]).toEqual([[], 0, []]);
    expect(await opened.store.open(digest)).toBe(undefined);
  });

  test.each([
    ['quota', { quotaBytes: MIB }],
    ['upstream-quota', { registryQuotas: new Map([['docker.io', MIB]]) }],
    ['disk', { minFreeBytes: 2 ** 40 - MIB }],
  ])('says that it is for the %s', async (reason, limits) => {
    const { bytes, digest } = content(2 * MIB);
    const { ingest, passings } = await bounded(digest, budgetOver(limits).budget);
    await using _reader = ingest.openReader(bytes.length);
    ingest.describe(bytes.length, 'test');
    await writeAll(ingest, bytes);
    expect(passings).toEqual([[reason, bytes.length]]);
    await ingest.discard();
  });

  test('knows wrong bytes', async () => {
    const { bytes, digest } = content(PIECE);
    const { ingest } = await bounded(digest, budgetOver({ quotaBytes: 0 }).budget);
    await using _reader = ingest.openReader();
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    ingest.describe(bytes.length, 'test');
    await writeAll(ingest, bytes);
    expect(await ingest.verify()).toBe(false);
    await ingest.discard();
  });

  test('takes nothing when nobody reads it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const { bytes, digest } = content(2 * MIB);
      const { ingest } = await bounded(digest, budgetOver({ quotaBytes: 0 }).budget);
      ingest.describe(bytes.length, 'test');
      await ingest.admitted();
      // oxlint-disable-next-line vitest/valid-expect -- awaited below, when the time has passed
      const writing = expect(writeAll(ingest, bytes)).rejects.toMatchObject({ code: 'NOBODY_READS' });
      await vi.advanceTimersByTimeAsync(20_000);
      await writing;
      await ingest.discard();
    } finally {
      vi.useRealTimers();
    }
  });

  test('goes over to streaming in the middle of a blob of unknown size', async () => {
    const { bytes, digest } = content(12 * MIB);
    const { budget } = budgetOver({ quotaBytes: await quotaFor(10 * MIB) });
    const { ingest, passings } = await bounded(digest, budget);
    const reader = ingest.openReader();
    const got = follow(ingest, reader, { from: 0, to: bytes.length });
    await writeAll(ingest, bytes);
    expectBytes(await got, bytes);
    expect(passings).toEqual([['quota', undefined]]);
    expect(await inFlightBytes(budget)).toBeGreaterThanOrEqual(8_000_000);
    ingest.describe(bytes.length, 'test');
    expect(await ingest.verify()).toBe(true);
    await reader[Symbol.asyncDispose]();
    await ingest[Symbol.asyncDispose]();
    expect([await filesOf(), await inFlightBytes(budget), budget.parked]).toEqual([[], 0, []]);
  });

  test('goes over to streaming when the disk is full, and clears away what it wrote', async () => {
    await using disk = await mountSmallDisk(2 * MIB);
    await using store = await DiskStore.open(disk.path);
    const { bytes, digest } = content(5 * MIB);
    const { budget } = budgetOver({});
    const { ingest, passings } = await bounded(digest, budget, store);
    ingest.describe(bytes.length, 'test');
    const reader = ingest.openReader();
    const got = follow(ingest, reader, { from: 0, to: bytes.length });
    await writeAll(ingest, bytes);
    expectBytes(await got, bytes);
    expect(passings).toEqual([['store', bytes.length]]);
    expect((await store.space()).freeBytes).toBeLessThan(MIB);
    expect(await ingest.verify()).toBe(true);
    await reader[Symbol.asyncDispose]();
    await ingest[Symbol.asyncDispose]();
    expect([await filesOf(disk.path), await inFlightBytes(budget)]).toEqual([[], 0]);
    expect((await store.space()).freeBytes).toBeGreaterThan(1.9 * MIB);
  });
});
