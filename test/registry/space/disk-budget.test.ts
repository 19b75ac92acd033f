import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { Reservation } from '../../../src/registry/space/reservation.ts';
import type { RoomMaker } from '../../../src/registry/space/room-maker.ts';
import { budgetOver, type Figures, quotaFor } from './figures.ts';

const MIB = 1024 * 1024;
/** What a download takes beside its content, at most. */
const OVERHEAD = 16 * 1024;
const hub = 'docker.io';
const digest = digestOf(Buffer.from('x'));

/** Evicts a MiB at a time, as long as there is something. */
class Evictor implements RoomMaker {
  readonly asked: { missingBytes: number; registry: string | undefined }[] = [];
  readonly trimmed: (string | undefined)[] = [];
  evictedBytes = 0;
  readonly #figures: Figures;
  readonly #pinnedBytes: number;

  constructor(figures: Figures, pinnedBytes = 0) {
    this.#figures = figures;
    this.#pinnedBytes = pinnedBytes;
  }

  async makeRoom(missing: () => Promise<number>, registry: string | undefined): Promise<void> {
    for (;;) {
      const missingBytes = await missing();
      this.asked.push({ missingBytes, registry });
      const { usage } = this.#figures;
      if (missingBytes <= 0 || usage.diskBytes - this.#pinnedBytes < MIB) return;
      const byRegistry = new Map(usage.diskBytesByRegistry);
      byRegistry.set(hub, (byRegistry.get(hub) ?? 0) - MIB);
      this.#figures.usage = { ...usage, diskBytes: usage.diskBytes - MIB, diskBytesByRegistry: byRegistry };
      this.#figures.freeBytes += MIB;
      this.evictedBytes += MIB;
      await turn();
    }
  }

  async unmovableBytes(): Promise<number> {
    return this.#pinnedBytes;
  }

  trim(registry: string | undefined): void {
    this.trimmed.push(registry);
  }
}

function store(figures: Figures, diskBytes: number): void {
  figures.usage = { ...figures.usage, diskBytes, diskBytesByRegistry: new Map([[hub, diskBytes]]) };
  figures.freeBytes -= diskBytes;
}

describe('a budget', () => {
  test('counts what is promised until it is given back, once', async () => {
    const { budget } = budgetOver({});
    const one = await budget.reserve(hub, 5 * MIB);
    const two = await budget.reserve('ghcr.io', MIB + 1);
    if (!(one instanceof Reservation) || !(two instanceof Reservation)) throw new Error('refused');
    const { inFlightBytes, unwrittenBytes, inFlightByRegistry } = await budget.read();
    expect(inFlightBytes).toBe(one.bytes + two.bytes);
    expect(unwrittenBytes).toBe(inFlightBytes);
    expect([...inFlightByRegistry]).toEqual([
      [hub, one.bytes],
      ['ghcr.io', two.bytes],
    ]);
    expect(one.bytes).toBeGreaterThan(5 * MIB);
    expect(one.bytes).toBeLessThanOrEqual(5 * MIB + OVERHEAD);
    expect(two.bytes % 4096).toBe(0);
    one.wrote(2 * MIB);
    expect((await budget.read()).unwrittenBytes).toBe(inFlightBytes - 2 * MIB);
    one.release();
    one.release();
    expect((await budget.read()).inFlightBytes).toBe(two.bytes);
  });

  test.each([
    ['quota', async () => ({ quotaBytes: await quotaFor(10 * MIB) })],
    ['upstream-quota', async () => ({ registryQuotas: new Map([[hub, 10 * MIB]]) })],
    ['disk', async () => ({ minFreeBytes: 2 ** 40 - 10 * MIB })],
  ])('gives what there is under the %s, and no more', async (reason, limits) => {
    const { budget } = budgetOver(await limits());
    const first = await budget.reserve(hub, 6 * MIB - OVERHEAD);
    expect(await budget.reserve(hub, 6 * MIB)).toBe(reason);
    const second = await budget.reserve(hub, 4 * MIB - OVERHEAD);
    expect([first, second].every((one) => one instanceof Reservation)).toBe(true);
    expect(await budget.reserve(hub, MIB)).toBe(reason);
    if (first instanceof Reservation) first.release();
    expect(await budget.reserve(hub, 5 * MIB)).toBeInstanceOf(Reservation);
  });

  test('does not let one registry take what is of another', async () => {
    const { budget } = budgetOver({ registryQuotas: new Map([[hub, 2 * MIB]]) });
    expect(await budget.reserve(hub, 3 * MIB)).toBe('upstream-quota');
    expect(await budget.reserve('ghcr.io', 3 * MIB)).toBeInstanceOf(Reservation);
    expect(await budget.reserve(hub, MIB)).toBeInstanceOf(Reservation);
    expect(await budget.reserve(hub, MIB)).toBe('upstream-quota');
  });

  test('promises more to a download, as far as there is room', async () => {
    const { budget } = budgetOver({ quotaBytes: await quotaFor(10 * MIB) });
    const one = await budget.reserve(hub, 6 * MIB);
    if (!(one instanceof Reservation)) throw new Error('refused');
    expect(await budget.extend(one, 3 * MIB)).toBe(undefined);
    expect(one.bytes).toBeGreaterThanOrEqual(9 * MIB);
    expect(await budget.extend(one, 3 * MIB)).toBe('quota');
    expect((await budget.read()).inFlightBytes).toBe(one.bytes);
    one.release();
    expect((await budget.read()).inFlightBytes).toBe(0);
  });

  test('counts the pieces of broken-off downloads, oldest first', async () => {
    const { budget } = budgetOver({ quotaBytes: await quotaFor(10 * MIB) });
    const other = digestOf(Buffer.from('y'));
    budget.park({ digest, sizeBytes: 5 * MIB - 1, atMs: 20 });
    budget.park({ digest: other, sizeBytes: MIB, atMs: 10 });
    expect(budget.parked.map((one) => one.digest)).toEqual([other, digest]);
    expect((await budget.read()).inFlightBytes).toBe(6 * MIB);
    expect(await budget.reserve(hub, 5 * MIB)).toBe('quota');
    budget.unpark(digest);
    budget.unpark(digest);
    expect(await budget.reserve(hub, 5 * MIB)).toBeInstanceOf(Reservation);
  });

  test('counts what else lies in the data directory once it has looked', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(10 * MIB) });
    figures.debrisBytes = 5 * MIB - 1;
    expect((await budget.read()).debrisBytes).toBe(0);
    await budget.measureDebris();
    expect((await budget.read()).debrisBytes).toBe(5 * MIB);
    expect(await budget.reserve(hub, 6 * MIB)).toBe('quota');
  });

  test('knows by how much limits are broken', async () => {
    const limits = { quotaBytes: await quotaFor(10 * MIB), registryQuotas: new Map([['ghcr.io', MIB]]) };
    const { budget, figures } = budgetOver(limits);
    expect([await budget.deficit(undefined), await budget.deficit('ghcr.io')]).toEqual([0, 0]);
    figures.usage = { ...figures.usage, diskBytesByRegistry: new Map([['ghcr.io', 3 * MIB]]), diskBytes: 3 * MIB };
    expect([await budget.deficit(undefined), await budget.deficit('ghcr.io')]).toEqual([0, 2 * MIB]);
    expect(await budget.excess('ghcr.io')).toBeCloseTo(2.1 * MIB, 0);
    store(figures, 14 * MIB);
    expect(await budget.deficit(undefined)).toBeGreaterThan(3.9 * MIB);
    expect(await budget.excess(undefined)).toBeGreaterThan(4 * MIB);
  });
});

describe('a budget that can make room', () => {
  test('asks for exactly what is missing', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
    store(figures, 95 * MIB);
    const evictor = new Evictor(figures);
    budget.use(evictor);
    const reservation = await budget.reserve(hub, 8 * MIB);
    expect(reservation).toBeInstanceOf(Reservation);
    const first = evictor.asked[0];
    expect(first?.registry).toBe(undefined);
    expect(first?.missingBytes).toBeGreaterThanOrEqual(3 * MIB);
    expect(first?.missingBytes).toBeLessThanOrEqual(3 * MIB + OVERHEAD);
    expect(evictor.evictedBytes).toBe(4 * MIB);
  });

  test('gives all who come at once what there is when others have gone, whoever was quicker', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
    store(figures, 95 * MIB);
    budget.use(new Evictor(figures));
    const sizes = Array.from({ length: 60 }, (_, n) => (n % 3 === 0 ? 3 * MIB : MIB / 2));
    const outcomes = await Promise.all(sizes.map((size) => budget.reserve(hub, size)));
    expect(outcomes.filter((outcome) => !(outcome instanceof Reservation))).toEqual([]);
  });

  test('prepares for a download that goes on without the space of its pieces, and without giving them up', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(10 * MIB) });
    store(figures, 3 * MIB);
    budget.park({ digest, sizeBytes: 4 * MIB, atMs: 10 });
    const abandoned: unknown[] = [];
    const evictor = new Evictor(figures);
    budget.use(evictor);
    const makeRoom = evictor.makeRoom.bind(evictor);
    evictor.makeRoom = async (...wish) => {
      abandoned.push(...budget.abandoned);
      await makeRoom(...wish);
    };
    expect(await budget.prepare(hub, 6 * MIB, digest)).toBe(undefined);
    expect(evictor.evictedBytes).toBe(0);
    expect(await budget.prepare(hub, 8 * MIB, digest)).toBe(undefined);
    expect([evictor.evictedBytes, abandoned]).toEqual([2 * MIB, []]);
    expect(budget.abandoned).toMatchObject([{ digest, sizeBytes: 4 * MIB }]);
    expect((await budget.read()).inFlightBytes).toBe(4 * MIB);
    expect(await budget.prepare(hub, 11 * MIB, digest)).toBe('quota');
  });

  test('asks for nothing when there is enough', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
    store(figures, 50 * MIB);
    const evictor = new Evictor(figures);
    budget.use(evictor);
    expect(await budget.reserve(hub, 30 * MIB)).toBeInstanceOf(Reservation);
    expect(evictor.asked).toEqual([]);
  });

  test('asks for room in a registry whose own quota is full', async () => {
    const { budget, figures } = budgetOver({ registryQuotas: new Map([[hub, 10 * MIB]]) });
    store(figures, 10 * MIB);
    const evictor = new Evictor(figures);
    budget.use(evictor);
    expect(await budget.reserve(hub, 2 * MIB)).toBeInstanceOf(Reservation);
    expect(evictor.asked[0]?.registry).toBe(hub);
    expect(evictor.evictedBytes).toBe(3 * MIB);
  });

  test('makes room where other programs have filled the disk', async () => {
    const { budget, figures } = budgetOver({ minFreeBytes: 20 * MIB });
    store(figures, 40 * MIB);
    figures.freeBytes = 15 * MIB;
    const evictor = new Evictor(figures);
    budget.use(evictor);
    expect(await budget.reserve(hub, 2 * MIB - OVERHEAD)).toBeInstanceOf(Reservation);
    expect(evictor.evictedBytes).toBe(7 * MIB);
  });

  test.each([
    ['what is larger than the quota', 101 * MIB, 0, 'quota'],
    ['what is larger than what pins leave of it', 40 * MIB, 70 * MIB, 'quota'],
    ["what is larger than its upstream's quota", 61 * MIB, 0, 'upstream-quota'],
  ])('evicts nothing for %s', async (_, sizeBytes, pinnedBytes, reason) => {
    const limits = { quotaBytes: await quotaFor(100 * MIB), registryQuotas: new Map([['ghcr.io', 60 * MIB]]) };
    const { budget, figures } = budgetOver(limits);
    store(figures, 95 * MIB);
    const evictor = new Evictor(figures, pinnedBytes);
    budget.use(evictor);
    expect(await budget.reserve(reason === 'quota' ? hub : 'ghcr.io', sizeBytes)).toBe(reason);
    expect([evictor.asked, evictor.evictedBytes]).toEqual([[], 0]);
  });

  test('says that there is none when nothing more can go', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
    store(figures, 95 * MIB);
    const evictor = new Evictor(figures, 94 * MIB);
    budget.use(evictor);
    expect(await budget.reserve(hub, 7 * MIB)).toBe('quota');
    expect(evictor.evictedBytes).toBeLessThanOrEqual(MIB);
    expect((await budget.read()).inFlightBytes).toBe(0);
  });

  test('gives every one of many who ask at once its space', async () => {
    const { budget, figures } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
    store(figures, 100 * MIB);
    const evictor = new Evictor(figures);
    budget.use(evictor);
    const granted = await Promise.all(Array.from({ length: 4 }, () => budget.reserve(hub, 4 * MIB)));
    expect(granted.every((one) => one instanceof Reservation)).toBe(true);
    expect(evictor.evictedBytes).toBeLessThanOrEqual(20 * MIB);
  });

  test('trims a registry that came to have more than its quota by sharing, and no other', async () => {
    const quotas = new Map([
      [hub, 10 * MIB],
      ['ghcr.io', 10 * MIB],
    ]);
    const { budget, figures } = budgetOver({ registryQuotas: quotas });
    store(figures, 10 * MIB);
    const evictor = new Evictor(figures);
    budget.use(evictor);
    await budget.share();
    expect(evictor.trimmed).toEqual([]);
    store(figures, 10 * MIB + 4096);
    await budget.share();
    expect(evictor.trimmed).toEqual([hub]);
  });
});
