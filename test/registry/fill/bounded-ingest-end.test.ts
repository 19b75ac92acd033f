import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContentError } from '../../../src/content/content-error.ts';
import type { Ingest } from '../../../src/content/content-store.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { BoundedIngest } from '../../../src/registry/fill/bounded-ingest.ts';
import type { DiskBudget } from '../../../src/registry/space/disk-budget.ts';
import { expectBytes } from '../../content/support/expect-bytes.ts';
import { type OpenedDiskStore, openQuickDiskStore } from '../../content/support/open-disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';
import { budgetOver, quotaFor } from '../space/figures.ts';
import { follow } from './follow.ts';

const MIB = 1024 * 1024;

let opened: OpenedDiskStore;
beforeAll(async () => {
  opened = await openQuickDiskStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

function bounded(inner: Ingest, budget: DiskBudget): { ingest: BoundedIngest; passings: unknown[] } {
  const passings: unknown[] = [];
  const options = { budget, registry: 'docker.io', onPassing: (reason: string) => passings.push(reason) };
  return { ingest: new BoundedIngest(inner, options), passings };
}

async function inFlightBytes(budget: DiskBudget): Promise<number> {
  return (await budget.read()).inFlightBytes;
}

/** A budget that is full, and whose eviction ends when it is told to. */
async function budgetAtWork(): Promise<{ budget: DiskBudget; evict: () => void }> {
  const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
  figures.usage = { ...figures.usage, diskBytes: 100 * MIB };
  const { promise, resolve } = Promise.withResolvers<void>();
  budget.use({
    makeRoom: async (missing) => {
      await missing();
      await promise;
      figures.usage = { ...figures.usage, diskBytes: 0 };
      await missing();
    },
    unmovableBytes: async () => 0,
    trim: () => undefined,
  });
  return { budget, evict: resolve };
}

describe('an ingest that ends', () => {
  test('while room is being made for it leaves nothing promised', async () => {
    const bytes = seededBytes(MIB, 'ends early');
    const { budget, evict } = await budgetAtWork();
    const { ingest, passings } = bounded(await opened.store.ingest(digestOf(bytes)), budget);
    ingest.describe(bytes.length, 'test');
    await turn();
    await ingest[Symbol.asyncDispose]();
    evict();
    await turn();
    await expect.poll(() => inFlightBytes(budget)).toBe(0);
    expect([passings, budget.parked]).toEqual([[], []]);
  });

  test('leaves nothing promised where the disk refuses to clear its pieces away', async () => {
    const bytes = seededBytes(MIB, 'refused');
    const inner = await opened.store.ingest(digestOf(bytes));
    const refusing: Ingest = {
      digest: inner.digest,
      have: inner.have,
      totalBytes: MIB,
      describe: (total, origin) => inner.describe(total, origin),
      write: (chunks, position) => inner.write(chunks, position),
      pass: (chunks, position) => inner.pass(chunks, position),
      openReader: () => inner.openReader(),
      verify: () => inner.verify(),
      commit: () => inner.commit(),
      discard: async () => {
        await inner.discard();
        throw new ContentError('STORE_FAILED', 'the disk refuses');
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    const { ingest } = bounded(refusing, budget);
    ingest.describe(bytes.length, 'test');
    await ingest.write([bytes], 0);
    expect(await inFlightBytes(budget)).toBeGreaterThan(MIB);
    await expect(ingest.discard()).rejects.toThrow('the disk refuses');
    expect(await inFlightBytes(budget)).toBe(0);
  });

  test('by being thrown away is not parked when it is disposed of', async () => {
    const bytes = seededBytes(MIB, 'thrown away');
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    {
      await using ingest = bounded(await opened.store.ingest(digestOf(bytes)), budget).ingest;
      ingest.describe(bytes.length, 'test');
      await ingest.write([bytes.subarray(0, 500_000)], 0);
      await ingest.discard();
    }
    expect([budget.parked, await inFlightBytes(budget), await opened.store.interrupted()]).toEqual([[], 0, []]);
  });

  test('takes nothing more, and does not speak of want of room then', async () => {
    const bytes = seededBytes(MIB, 'too late');
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    const { ingest, passings } = bounded(await opened.store.ingest(digestOf(bytes)), budget);
    ingest.describe(bytes.length, 'test');
    await ingest.write([bytes.subarray(0, 1000)], 0);
    await using _reader = ingest.openReader();
    await ingest[Symbol.asyncDispose]();
    await expect(ingest.write([bytes.subarray(1000)], 1000)).rejects.toThrow(ContentError);
    expect(passings).toEqual([]);
    await opened.store.discardInterrupted(digestOf(bytes));
  });
});

describe('an ingest for which room is being made', () => {
  test('waits for it', async () => {
    const bytes = seededBytes(MIB, 'waits');
    const { budget, evict } = await budgetAtWork();
    const { ingest, passings } = bounded(await opened.store.ingest(digestOf(bytes)), budget);
    ingest.describe(bytes.length, 'test');
    const writing = ingest.write([bytes], 0);
    await turn();
    expect(ingest.have.size).toBe(0);
    evict();
    await writing;
    expect([ingest.have.size, passings]).toEqual([MIB, []]);
    await ingest.discard();
  });

  test('streams through when that takes too long, and what comes late is given back', async () => {
    const bytes = seededBytes(MIB, 'too slow');
    const { budget, evict } = await budgetAtWork();
    const { ingest, passings } = bounded(await opened.store.ingest(digestOf(bytes)), budget);
    ingest.describe(bytes.length, 'test');
    const reader = ingest.openReader();
    const got = follow(ingest, reader, { from: 0, to: bytes.length });
    await ingest.write([bytes], 0);
    expectBytes(await got, bytes);
    expect([ingest.isPassing, passings]).toEqual([true, ['quota']]);
    evict();
    await reader[Symbol.asyncDispose]();
    await ingest[Symbol.asyncDispose]();
    await expect.poll(() => inFlightBytes(budget)).toBe(0);
  });
});
