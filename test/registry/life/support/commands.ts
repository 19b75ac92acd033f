/* oxlint-disable eslint/no-shadow, vitest/no-standalone-expect */
import { utimes, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { type Act, anyAct, anyPull, describeAct, perform } from './acts.ts';
import { expectAgreement, storedRows } from './agreement.ts';
import type { Life } from './life.ts';
import type { Trouble } from './pulling.ts';
import { nameOf } from './universe.ts';
import type { World } from './world.ts';

/** The real things; what is expected of them they know by themselves. */
export interface Real {
  readonly life: Life;
  readonly world: World;
}

/** The runner wants a model; ours is in what watches the life. */
type NoModel = Record<string, never>;
type Command = fc.AsyncCommand<NoModel, Real>;

/** How a file is damaged by hand. */
type Damage = 'flip' | 'truncate' | 'remove' | 'touch';

/** A file that was touched later than it was stored is looked at before it is served. */
const LATER_MS = 10_000;
const KEPT_STEPS = 60;

/** Acts at the same time, and the agreement of everything when they are done. */
class Together implements Command {
  readonly #acts: readonly Act[];
  readonly #isSlow: boolean;

  constructor(acts: readonly Act[], isSlow: boolean) {
    this.#acts = acts;
    this.#isSlow = isSlow;
  }

  check = () => true;

  async run(_: NoModel, { life, world }: Real): Promise<void> {
    if (this.#isSlow) world.origin.fault({ path: '/blobs/' }, { kind: 'delay', ms: 15 });
    await inPeace({ life, world }, () => together(this.#acts, { life, world }, 'none'));
    world.origin.clearFaults();
  }

  toString(): string {
    return `together${this.#isSlow ? ', slowly' : ''}: ${this.#acts.map(describeAct).join(' | ')}`;
  }
}

/** The upstreams are away, or send wrong bytes: what is stored comes all the same, and nothing wrong. */
class InTrouble implements Command {
  readonly #acts: readonly Act[];
  readonly #trouble: 'away' | 'corrupt';

  constructor(acts: readonly Act[], trouble: 'away' | 'corrupt') {
    this.#acts = acts;
    this.#trouble = trouble;
  }

  check = () => true;

  async run(_: NoModel, { life, world }: Real): Promise<void> {
    const { origin } = world;
    if (this.#trouble === 'away') await origin.stop();
    else origin.fault({ path: '/blobs/' }, { kind: 'corrupt' }, { times: this.#acts.length });
    await inPeace({ life, world }, () => together(this.#acts, { life, world }, this.#trouble));
    if (this.#trouble === 'away') await origin.restart();
    origin.clearFaults();
    life.passTime();
  }

  toString(): string {
    return `while upstreams are ${this.#trouble}: ${this.#acts.map(describeAct).join(' | ')}`;
  }
}

/** Somebody damages a file of the store, then this happens. */
class Spoil implements Command {
  readonly #position: number;
  readonly #damage: Damage;
  readonly #acts: readonly Act[];

  constructor(position: number, damage: Damage, acts: readonly Act[]) {
    this.#position = position;
    this.#damage = damage;
    this.#acts = acts;
  }

  check = () => true;

  async run(_: NoModel, { life, world }: Real): Promise<void> {
    const digests = [...(await storedRows(life.mirror.index)).keys()];
    const digest = digests[this.#position % digests.length];
    if (digest !== undefined) {
      life.spoiled.add(digest);
      life.lost.add(digest);
      const hex = digest.slice('sha256:'.length);
      await damage(join(life.path, 'blobs', 'sha256', hex.slice(0, 2), hex), this.#damage);
    }
    await together(this.#acts, { life, world }, 'none');
    await expectAgreement(life);
    await life.learnPins();
  }

  toString(): string {
    return `${this.#damage} file ${this.#position}, then: ${this.#acts.map(describeAct).join(' | ')}`;
  }
}

/** It ends properly while things go on, and starts again. */
class Restart implements Command {
  readonly #acts: readonly Act[];

  constructor(acts: readonly Act[]) {
    this.#acts = acts;
  }

  check = () => true;

  async run(_: NoModel, { life, world }: Real): Promise<void> {
    if (this.#acts.length > 0) world.origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 1_000_000 });
    const acting = together(this.#acts, { life, world }, 'ending');
    if (this.#acts.length > 0) await life.steps(this.#acts.length * 8);
    const [restarted] = await Promise.allSettled([life.restart(), acting]);
    if (restarted.status === 'rejected') throw restarted.reason;
    world.origin.clearFaults();
    await expectSurvival(life);
  }

  toString(): string {
    return `restart during: ${this.#acts.map(describeAct).join(' | ')}`;
  }
}

/** It is killed at some step of what goes on, and starts again on what is on the disk then. */
class Crash implements Command {
  readonly #acts: readonly Act[];
  readonly #steps: number;

  constructor(acts: readonly Act[], steps: number) {
    this.#acts = acts;
    this.#steps = steps;
  }

  check = () => true;

  async run(_: NoModel, { life, world }: Real): Promise<void> {
    life.crashIn(this.#steps);
    await together(this.#acts, { life, world }, 'none');
    await life.settle();
    expect(life.takeViolations()).toEqual([]);
    await life.afterCrash();
    await expectSurvival(life);
  }

  toString(): string {
    return `killed after ${this.#steps} steps of: ${this.#acts.map(describeAct).join(' | ')}`;
  }
}

const acts = fc.array(anyAct, { minLength: 1, maxLength: 4, size: 'max' });
const pulls = fc.array(anyPull, { minLength: 1, maxLength: 3, size: 'max' });
const damages = fc.constantFrom<Damage[]>('flip', 'flip', 'truncate', 'remove', 'touch');

/** All kinds of commands. */
export const anyCommand: fc.Arbitrary<Command>[] = [
  fc.tuple(pulls, fc.boolean()).map((args) => new Together(...args)),
  fc.tuple(acts, fc.boolean()).map((args) => new Together(...args)),
  fc.tuple(acts, fc.boolean()).map((args) => new Together(...args)),
  fc.tuple(pulls, fc.constantFrom('away' as const, 'corrupt' as const)).map((args) => new InTrouble(...args)),
  fc.tuple(fc.nat(1000), damages, fc.array(anyAct, { maxLength: 3, size: 'max' })).map((args) => new Spoil(...args)),
  fc.array(anyAct, { maxLength: 3, size: 'max' }).map((args) => new Restart(args)),
  fc.tuple(acts, fc.nat(KEPT_STEPS)).map((args) => new Crash(...args)),
  fc.tuple(acts, fc.nat(KEPT_STEPS)).map((args) => new Crash(...args)),
];

/** Everything agrees afterwards, and what was stored is, unless nothing needed it any more. */
async function inPeace({ life }: Real, work: () => Promise<void>): Promise<void> {
  const before = await storedRows(life.mirror.index);
  life.takeRemoved();
  await work();
  await expectAgreement(life);
  await expectKept(life, before);
  await life.learnPins();
}

async function together(all: readonly Act[], { life, world }: Real, trouble: Trouble): Promise<void> {
  await Promise.all(all.map((act) => perform(act, { life, world, trouble })));
}

/** After a start, everything agrees, and what was stored when it started still is. */
async function expectSurvival(life: Life): Promise<void> {
  await expectAgreement(life);
  await expectKept(life, life.rowsAtStart);
}

async function expectKept(life: Life, before: ReadonlyMap<string, number>): Promise<void> {
  const after = await storedRows(life.mirror.index);
  const removed = life.takeRemoved();
  const gone = [...before.keys()].filter((digest) => ![after, removed, life.lost].some((kept) => kept.has(digest)));
  expect(gone.map(nameOf)).toEqual([]);
}

async function damage(path: string, how: Damage): Promise<void> {
  const bytes = await readFile(path).catch(() => undefined);
  // It was removed before.
  if (!bytes) return;
  const later = new Date(Date.now() + LATER_MS);
  switch (how) {
    case 'remove':
      return rm(path);
    case 'truncate':
      return truncate(path, Math.floor(bytes.length / 2));
    case 'flip':
      await writeFile(path, flipped(bytes), { flag: 'r+' });
      return utimes(path, later, later);
    case 'touch':
      return utimes(path, later, later);
  }
}

function flipped(bytes: Buffer): Buffer {
  const middle = Math.floor(bytes.length / 2);
  return Buffer.concat([bytes.subarray(0, middle), Buffer.of(~(bytes[middle] ?? 0) & 255), bytes.subarray(middle + 1)]);
}
