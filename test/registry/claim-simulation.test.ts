import { deepEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseClaim, type Claim, type FillState } from '../../src/registry/fill/claim.ts';
import { IntervalSet, type Interval } from '../../src/util/interval-set.ts';
import { seededBytes } from '../support/bytes.ts';

const MIB = 1024 * 1024;

interface Scenario {
  readonly sizeBytes: number;
  readonly isSizeTold: boolean;
  readonly honoursRange: boolean;
  readonly connections: number;
  readonly have: readonly Interval[];
  readonly readers: readonly number[];
}

/** A fill whose upstream is dice: what `src/registry/fill/fill.ts` does with the choices, without any waiting. */
class Simulation {
  readonly #scenario: Scenario;
  readonly #have: IntervalSet;
  readonly #claims: Claim[] = [];
  #sizeBytes: number | undefined;
  #honoursRange: boolean | undefined;
  #repeatedBytes = 0;
  #nowMs = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#sizeBytes = scenario.isSizeTold ? scenario.sizeBytes : undefined;
    this.#have = new IntervalSet(scenario.isSizeTold ? scenario.have : []);
  }

  get isDone(): boolean {
    return this.#claims.length === 0 && this.#have.firstGap(0, this.#scenario.sizeBytes) === undefined;
  }

  get repeatedBytes(): number {
    return this.#repeatedBytes;
  }

  /** Something happens to one of the running requests. @param dice numbers from 0 to 1 */
  step(dice: () => number, mayFail: boolean): void {
    this.#nowMs += dice() * 300;
    this.#advance();
    const claim = this.#claims[Math.floor(dice() * this.#claims.length)];
    if (!claim) return;
    if (mayFail && dice() < 0.1) return this.#end(claim);
    if (claim.answeredAtMs === undefined) return this.#answer(claim);
    const left = claim.endBytes - claim.positionBytes;
    this.#receive(claim, Math.min(left, Math.ceil((0.01 + dice()) * 12 * MIB)));
    if (claim.positionBytes >= claim.endBytes) this.#end(claim);
  }

  #advance(): void {
    for (let choices = 0; ; choices += 1) {
      const choice = this.#isWhole() ? undefined : chooseClaim(this.#state());
      if (!choice) break;
      ok(choices <= this.#scenario.connections * 4);
      if (choice.takenFrom) {
        ok(choice.startBytes > choice.takenFrom.positionBytes);
        choice.takenFrom.endBytes = choice.startBytes;
      }
      this.#expectNew(choice.startBytes, choice.endBytes, choice.isRanged);
      const { startBytes, endBytes, isRanged } = choice;
      this.#claims.push({ startBytes, positionBytes: startBytes, endBytes, isRanged, answeredAtMs: undefined });
    }
    this.#expectServed();
  }

  #isWhole(): boolean {
    return this.#sizeBytes !== undefined && this.#have.firstGap(0, this.#sizeBytes) === undefined;
  }

  #state(): FillState {
    return {
      sizeBytes: this.#sizeBytes,
      have: this.#have.toJSON(),
      claims: [...this.#claims],
      wanted: this.#wanted(),
      honoursRange: this.#honoursRange,
      nowMs: this.#nowMs,
      connections: this.#scenario.connections,
    };
  }

  #wanted(): number[] {
    return this.#scenario.readers.map((from) => this.#have.endFrom(from)).filter((at) => at < this.#scenario.sizeBytes);
  }

  /** No byte is asked for that is there or asked for already, unless the upstream gives wholes only. */
  #expectNew(start: number, end: number, isRanged: boolean): void {
    ok(start >= 0);
    ok(end > start);
    if (this.#sizeBytes !== undefined) ok(end <= this.#sizeBytes);
    if (this.#honoursRange === false) {
      deepEqual([isRanged, this.#claims.length], [false, 0]);
      return;
    }
    const taken = [...this.#have.toJSON(), ...this.#claims.map((one): Interval => [one.startBytes, one.endBytes])];
    deepEqual(
      taken.filter(([from, to]) => start < to && from < end),
      [],
    );
  }

  /** While bytes are missing a request runs, and each client that waits has one that comes its way. */
  #expectServed(): void {
    if (this.#isWhole()) return;
    ok(this.#claims.length > 0);
    const isLearning = this.#honoursRange === undefined && this.#claims.some((one) => one.isRanged);
    if (this.#sizeBytes === undefined || this.#honoursRange === false || isLearning) return;
    if (this.#claims.length >= this.#scenario.connections * 4) return;
    for (const at of this.#wanted()) {
      const coming = this.#claims.find((one) => one.startBytes <= at && at < one.endBytes);
      ok(coming, `a client waits at ${at}`);
      const elapsedMs = this.#nowMs - (coming.answeredAtMs ?? this.#nowMs);
      // Taking a part from a running request makes sense only where Range is known to work.
      if (this.#honoursRange !== true || elapsedMs < 200 || at < coming.positionBytes) continue;
      const waitMs = ((at - coming.positionBytes) * elapsedMs) / (coming.positionBytes - coming.startBytes || 1);
      ok(waitMs <= 500, `a client waits at ${at}`);
    }
  }

  #answer(claim: Claim): void {
    claim.answeredAtMs = this.#nowMs;
    const isPartial = claim.isRanged && this.#scenario.honoursRange;
    if (claim.isRanged) this.#honoursRange = isPartial;
    this.#sizeBytes = this.#scenario.sizeBytes;
    claim.endBytes = Math.min(claim.endBytes, this.#sizeBytes);
    if (isPartial) return;
    if (this.#claims.length > 1) return this.#end(claim);
    claim.startBytes = 0;
    claim.positionBytes = 0;
    claim.endBytes = this.#sizeBytes;
  }

  #receive(claim: Claim, bytes: number): void {
    const end = claim.positionBytes + bytes;
    const before = this.#have.size;
    this.#have.add(claim.positionBytes, end);
    this.#repeatedBytes += bytes - (this.#have.size - before);
    claim.positionBytes = end;
  }

  #end(claim: Claim): void {
    this.#claims.splice(this.#claims.indexOf(claim), 1);
  }
}

const scenarios = fc.record({ sizeBytes: fc.integer({ min: 1, max: 200 * MIB }) }).chain(({ sizeBytes }) => {
  const position = fc.integer({ min: 0, max: sizeBytes - 1 });
  return fc.record({
    sizeBytes: fc.constant(sizeBytes),
    isSizeTold: fc.boolean(),
    honoursRange: fc.boolean(),
    connections: fc.integer({ min: 1, max: 6 }),
    have: fc.array(fc.tuple(position, position), { maxLength: 4 }),
    readers: fc.array(position, { maxLength: 8 }),
  });
});

const LIMIT = 3000;

/** Plays a scenario to its end with dice that fall the same for the same seed. */
function play(scenario: Scenario, seed: number, failures: number): Simulation {
  const simulation = new Simulation(scenario);
  const dice = seededBytes(64 * 1024, seed);
  let rolls = 0;
  const roll = (): number => dice.readUInt16LE((rolls++ * 2) % dice.length) / 65_536;
  let steps = 0;
  for (; !simulation.isDone && steps < LIMIT; steps += 1) simulation.step(roll, steps < failures);
  expect(steps).toBeLessThan(LIMIT);
  return simulation;
}

describe('a fill that follows chooseClaim', () => {
  test('asks for no byte twice, leaves no client waiting, and ends, whatever breaks on the way', () => {
    fc.assert(
      fc.property(scenarios, fc.nat(), fc.nat(200), (scenario, seed, failures) => {
        play(scenario, seed, failures);
      }),
      { numRuns: 200 },
    );
  });

  test('receives each byte once when nothing fails', () => {
    fc.assert(
      fc.property(scenarios, fc.nat(), (scenario, seed) => {
        expect(play({ ...scenario, honoursRange: true }, seed, 0).repeatedBytes).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
