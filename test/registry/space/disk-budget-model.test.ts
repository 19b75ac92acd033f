import { ok } from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Usage } from '../../../src/metadata/metadata-index.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { DiskBudget } from '../../../src/registry/space/disk-budget.ts';
import { diskBytesOf } from '../../../src/registry/space/disk-blocks.ts';
import { Reservation } from '../../../src/registry/space/reservation.ts';

const KIB = 1024;
const registries = ['docker.io', 'ghcr.io'] as const;

/** One download: it asks, writes, and ends in one of these ways. */
interface Download {
  readonly registry: number;
  readonly sizeBytes: number;
  readonly extendBytes: number;
  readonly arrival: number;
  readonly pause: number;
  readonly end: 'stored' | 'discarded' | 'parked';
}

interface Limits {
  readonly quotaBytes: number;
  readonly hubBytes: number;
}

const DISK_BYTES = 4000 * KIB;

const anyDownload: fc.Arbitrary<Download> = fc.record({
  registry: fc.nat(1),
  sizeBytes: fc.nat(800 * KIB),
  extendBytes: fc.oneof(fc.constant(0), fc.nat(400 * KIB)),
  arrival: fc.nat(20),
  pause: fc.nat(4),
  end: fc.constantFrom('stored', 'discarded', 'parked'),
});
const anyLimits: fc.Arbitrary<Limits> = fc.record({
  quotaBytes: fc.integer({ min: 200 * KIB, max: 4000 * KIB }),
  hubBytes: fc.integer({ min: 100 * KIB, max: 4000 * KIB }),
});

/** What is really on the disk. Its index tells what was so some turns ago. */
class World {
  readonly budget: DiskBudget;
  readonly #limits: Limits;
  readonly #stored: number[] = [0, 0];
  readonly #written: number[] = [0, 0];
  #parked = 0;
  #blobs = 0;
  granted = 0;

  constructor(limits: Limits, lags: Iterator<number>) {
    this.#limits = limits;
    this.budget = new DiskBudget({
      index: { usage: () => late(this.#usage(), lags) },
      store: {
        space: () => late({ freeBytes: this.#freeBytes, totalBytes: DISK_BYTES, folderBytes: 0 }, lags),
        debris: async () => [],
      },
      limits: {
        quotaBytes: limits.quotaBytes,
        minFreeBytes: 0,
        lowWatermark: 0.9,
        registryQuotas: new Map([['docker.io', limits.hubBytes]]),
      },
    });
  }

  get #usedBytes(): number {
    return [...this.#stored, ...this.#written, this.#parked].reduce((sum, bytes) => sum + bytes, 0);
  }

  get #freeBytes(): number {
    return DISK_BYTES - this.#usedBytes;
  }

  #usage(): Usage {
    return {
      blobs: this.#blobs,
      diskBytes: this.#stored.reduce((sum, bytes) => sum + bytes, 0),
      diskBytesByRegistry: new Map(registries.map((name, number) => [name, this.#stored[number] ?? 0])),
      indexBytes: 0,
      indexUnwrittenBytes: 0,
    };
  }

  /** Nothing of this may ever be broken. */
  check(): void {
    ok(this.#usedBytes <= this.#limits.quotaBytes);
    ok((this.#stored[0] ?? 0) + (this.#written[0] ?? 0) <= this.#limits.hubBytes);
  }

  async run(download: Download, number: number): Promise<void> {
    const { registry, sizeBytes, extendBytes, end } = download;
    await turns(download.arrival);
    const reservation = await this.budget.reserve(registries[registry] ?? '', sizeBytes);
    if (!(reservation instanceof Reservation)) return;
    this.granted += 1;
    const isLonger = extendBytes > 0 && (await this.budget.extend(reservation, extendBytes)) === undefined;
    const total = diskBytesOf(isLonger ? sizeBytes + extendBytes : sizeBytes);
    for (let at = 0; at < total; at += 64 * KIB) {
      const bytes = Math.min(64 * KIB, total - at);
      this.#add(this.#written, registry, bytes);
      reservation.wrote(bytes);
      await turns(download.pause);
    }
    this.#add(this.#written, registry, -total);
    if (end === 'stored') this.#add(this.#stored, registry, total);
    if (end === 'stored') this.#blobs += 1;
    if (end === 'parked') {
      this.#parked += total;
      const digest = digestOf(Buffer.from(String(number)));
      this.budget.park({ digest, sizeBytes: total, atMs: 0 });
      reservation.release();
      await turns(10);
      this.#parked -= total;
      this.budget.unpark(digest);
    } else {
      reservation.release();
    }
  }

  #add(sums: number[], registry: number, bytes: number): void {
    sums[registry] = (sums[registry] ?? 0) + bytes;
    this.check();
  }
}

async function late<Value>(value: Value, lags: Iterator<number>): Promise<Value> {
  await turns(lags.next().value ?? 0);
  return value;
}

async function turns(count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) await turn();
}

describe('a budget, whoever asks when,', () => {
  test('never lets more come to the disk than its limits say, and forgets nothing', async () => {
    const downloads = fc.array(anyDownload, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(downloads, anyLimits, fc.infiniteStream(fc.nat(6)), async (all, limits, lags) => {
        const world = new World(limits, lags);
        await Promise.all(all.map((download, number) => world.run(download, number)));
        world.check();
        const { inFlightBytes, unwrittenBytes } = await world.budget.read();
        expect([inFlightBytes, unwrittenBytes]).toEqual([0, 0]);
      }),
      { numRuns: 150 },
    );
  });

  test('lets all come that fit', async () => {
    const sizes = fc.array(fc.nat(100 * KIB), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.infiniteStream(fc.nat(6)), async (all, lags) => {
        const world = new World({ quotaBytes: 4000 * KIB, hubBytes: 4000 * KIB }, lags);
        const download = { registry: 0, extendBytes: 0, arrival: 0, pause: 0, end: 'stored' as const };
        await Promise.all(all.map((sizeBytes, number) => world.run({ ...download, sizeBytes }, number)));
        expect(world.granted).toBe(all.length);
      }),
      { numRuns: 30 },
    );
  });
});
