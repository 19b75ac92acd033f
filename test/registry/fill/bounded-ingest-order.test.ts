import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContentError } from '../../../src/content/content-error.ts';
import type { Ingest } from '../../../src/content/content-store.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { BoundedIngest } from '../../../src/registry/fill/bounded-ingest.ts';
import { expectBytes } from '../../content/support/expect-bytes.ts';
import { type OpenedDiskStore, openQuickDiskStore } from '../../content/support/open-disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';
import { budgetOver } from '../space/figures.ts';
import { follow } from './follow.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const passed = expect.objectContaining({ code: 'CONTENT_PASSED' }) as Error;
const outOfOrder = expect.objectContaining({ code: 'OUT_OF_ORDER' }) as Error;

let opened: OpenedDiskStore;
beforeAll(async () => {
  opened = await openQuickDiskStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

/** An ingest that the disk refuses from its write number `failsFrom` on. */
async function ingestOf(bytes: Buffer, failsFrom: number, quotaBytes?: number): Promise<BoundedIngest> {
  const inner = await opened.store.ingest(digestOf(bytes));
  let writes = 0;
  const failing: Ingest = {
    digest: inner.digest,
    have: inner.have,
    get totalBytes() {
      return inner.totalBytes;
    },
    describe: (total, origin) => inner.describe(total, origin),
    write: async (chunks, position) => {
      writes += 1;
      if (writes > failsFrom) throw new ContentError('STORE_FULL', 'no space left');
      return inner.write(chunks, position);
    },
    pass: (chunks, position) => inner.pass(chunks, position),
    openReader: () => inner.openReader(),
    verify: () => inner.verify(),
    commit: () => inner.commit(),
    discard: () => inner.discard(),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  const { budget } = budgetOver({ quotaBytes });
  return new BoundedIngest(failing, { budget, registry: 'docker.io', onPassing: () => undefined });
}

describe('an ingest that streams through', () => {
  test('refuses what comes out of order, and goes on with what comes next', async () => {
    const bytes = seededBytes(1000 * KIB, 'order');
    const ingest = await ingestOf(bytes, 2);
    ingest.describe(bytes.length, 'test');
    const reader = ingest.openReader();
    const got = follow(ingest, reader, { from: 0, to: bytes.length });
    const write = (from: number, to: number) => ingest.write([bytes.subarray(from, to)], from);
    await write(0, 100);
    await write(500, 600);
    expect(ingest.isPassing).toBe(false);
    await expect(write(800, 900)).rejects.toThrow(outOfOrder);
    expect(ingest.isPassing).toBe(true);
    await expect(write(0, 100)).rejects.toThrow(outOfOrder);
    await expect(write(600, 700)).rejects.toThrow(outOfOrder);
    await write(100, 500);
    await write(600, bytes.length);
    expectBytes(await got, bytes);
    expect(await ingest.verify()).toBe(true);
    await reader[Symbol.asyncDispose]();
    await ingest.discard();
  });

  test('has no place for a reader that comes when its bytes have gone by', async () => {
    const bytes = seededBytes(3 * MIB, 'late');
    const ingest = await ingestOf(bytes, 1);
    ingest.describe(bytes.length, 'test');
    const reader = ingest.openReader();
    await ingest.write([bytes.subarray(0, 300 * KIB)], 0);
    await ingest.write([bytes.subarray(300 * KIB, 400 * KIB)], 300 * KIB);
    // What is in the window or still to come can be read, and what the disk has before it.
    for (const position of [0, 300 * KIB, 350 * KIB, 400 * KIB, MIB]) expect(ingest.canBeRead(position)).toBe(true);
    await follow(ingest, reader, { from: 0, to: 400 * KIB });
    for (let at = 400 * KIB; at < MIB; at += 16 * KIB) {
      await ingest.write([bytes.subarray(at, at + 16 * KIB)], at);
      await follow(ingest, reader, { from: at, to: at + 16 * KIB });
    }
    for (const position of [0, 299 * KIB, 300 * KIB, MIB - 1]) expect(ingest.canBeRead(position)).toBe(false);
    expect(ingest.canBeRead(MIB)).toBe(true);
    await using late = ingest.openReader();
    // The disk's part is still there, and where it ends the reader is told.
    expect(await late.read(Buffer.alloc(MIB), 0)).toBe(300 * KIB);
    await expect(late.read(Buffer.alloc(MIB), 300 * KIB)).rejects.toThrow(passed);
    await reader[Symbol.asyncDispose]();
    await ingest.discard();
  });

  test('keeps nothing from its beginning on when it is told so', async () => {
    const bytes = seededBytes(2 * MIB, 'through');
    const { budget } = budgetOver({ quotaBytes: 100 * MIB });
    const inner = opened.store.passThrough(digestOf(bytes));
    let passings = 0;
    const options = { budget, registry: 'docker.io', onPassing: () => (passings += 1) };
    const ingest = new BoundedIngest(inner, options, 'quota');
    expect([ingest.isPassing, ingest.canBeRead(0), ingest.canBeRead(MIB)]).toEqual([true, true, true]);
    ingest.describe(bytes.length, 'test');
    const reader = ingest.openReader();
    const got = follow(ingest, reader, { from: 0, to: bytes.length });
    for (let at = 0; at < bytes.length; at += MIB / 8) await ingest.write([bytes.subarray(at, at + MIB / 8)], at);
    expectBytes(await got, bytes);
    expect(await ingest.verify()).toBe(true);
    expect([(await budget.read()).inFlightBytes, passings]).toEqual([0, 0]);
    await reader[Symbol.asyncDispose]();
    await ingest[Symbol.asyncDispose]();
  });
});

describe('the readers of an ingest', () => {
  interface Plan {
    readonly cuts: number[];
    readonly failsFrom: number;
    readonly quotaBytes: number;
    readonly isDescribed: boolean;
    readonly readers: { from: number; afterWrites: number; atOnce: number }[];
    readonly dice: number[];
  }

  const SIZE = 300_000;
  const anyPlan: fc.Arbitrary<Plan> = fc.record({
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: SIZE - 1 }), { maxLength: 12 }),
    failsFrom: fc.nat(14),
    quotaBytes: fc.oneof(fc.nat(1_000_000), fc.constant(100 * MIB)),
    isDescribed: fc.boolean(),
    readers: fc.array(
      fc.record({
        from: fc.oneof(fc.constant(0), fc.nat(SIZE - 1)),
        afterWrites: fc.nat(12),
        atOnce: fc.integer({ min: 5_000, max: SIZE }),
      }),
      { maxLength: 4 },
    ),
    dice: fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 }),
  });

  /** Writes all pieces in some order; those that come too early for what is streamed through come again. */
  async function bring(ingest: BoundedIngest, bytes: Buffer, plan: Plan, onWritten: (count: number) => void) {
    const edges = [0, ...plan.cuts.sort((one, other) => one - other), SIZE];
    const left = edges.slice(1).map((end, number) => [edges[number] ?? 0, end] as const);
    let rolls = 0;
    let count = 0;
    while (left.length > 0) {
      const roll = plan.dice[rolls++ % plan.dice.length] ?? 0;
      const next = left.filter(([start]) => !ingest.isPassing || start === ingest.have.endFrom(0));
      const chosen = new Set([0, roll % 3].map((step) => next[(roll + step) % next.length]));
      const results = await Promise.allSettled(
        [...chosen].map(async (piece) => {
          if (!piece) throw new Error('nothing that could come next');
          await ingest.write([bytes.subarray(...piece)], piece[0]);
          left.splice(left.indexOf(piece), 1);
          onWritten(++count);
        }),
      );
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toEqual(outOfOrder);
      if (roll % 3 === 0) await turn();
    }
  }

  test('get exactly the right bytes, whatever comes when and whatever there is room for', async () => {
    const bytes = seededBytes(SIZE, 'readers');
    await fc.assert(
      fc.asyncProperty(anyPlan, async (plan) => {
        const ingest = await ingestOf(bytes, plan.failsFrom, plan.quotaBytes);
        await using cleanup = new AsyncDisposableStack();
        cleanup.defer(() => ingest.discard());
        const got: { bytes: Promise<Buffer>; from: number }[] = [];
        const read = (from: number, atOnce: number) => {
          const reader = cleanup.use(ingest.openReader(from));
          got.push({ bytes: follow(ingest, reader, { from, to: SIZE, atOnce }), from });
        };
        if (plan.isDescribed) ingest.describe(SIZE, 'test');
        // One is there from the beginning, since without any nothing is streamed.
        read(0, 20_000);
        await bring(ingest, bytes, plan, (count) => {
          for (const { from, afterWrites, atOnce } of plan.readers) {
            if (afterWrites === count && ingest.canBeRead(from)) read(from, atOnce);
          }
        });
        for (const one of got) expectBytes(await one.bytes, bytes.subarray(one.from));
        expect(ingest.have.toJSON()).toEqual([[0, SIZE]]);
        expect(await ingest.verify()).toBe(true);
      }),
      { numRuns: 80 },
    );
  });
});
