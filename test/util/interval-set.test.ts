import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IntervalSet, type Interval } from '../../src/util/interval-set.ts';

const LIMIT = 40;
const position = fc.integer({ min: 0, max: LIMIT });
const steps = fc.array(fc.record({ act: fc.constantFrom('add', 'remove'), start: position, end: position }), {
  maxLength: 25,
});

type Steps = typeof steps extends fc.Arbitrary<infer Value> ? Value : never;

/** The same steps on an interval set and on a plain set of numbers. */
function play(script: Steps): { set: IntervalSet; model: Set<number> } {
  const set = new IntervalSet();
  const model = new Set<number>();
  for (const { act, start, end } of script) {
    for (let number = start; number < end; number += 1) {
      if (act === 'add') model.add(number);
      else model.delete(number);
    }
    if (act === 'add') set.add(start, end);
    else set.remove(start, end);
  }
  return { set, model };
}

function runsOf(model: ReadonlySet<number>): Interval[] {
  const runs: Interval[] = [];
  for (let start = 0; start <= LIMIT; start += 1) {
    if (!model.has(start) || model.has(start - 1)) continue;
    runs.push([start, endFrom(model, start)]);
  }
  return runs;
}

function endFrom(model: ReadonlySet<number>, from: number): number {
  let end = from;
  while (model.has(end)) end += 1;
  return end;
}

function firstGap(model: ReadonlySet<number>, from: number, limit: number): Interval | undefined {
  let start = from;
  while (start < limit && model.has(start)) start += 1;
  if (start >= limit) return undefined;
  let end = start;
  while (end < limit && !model.has(end)) end += 1;
  return [start, end];
}

describe('an interval set', () => {
  test('holds the same numbers as a plain set, in the fewest intervals, whatever is added and removed', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { set, model } = play(script);
        expect(set.toJSON()).toEqual(runsOf(model));
        expect(set.size).toBe(model.size);
      }),
      { numRuns: 500 },
    );
  });

  test('knows the end of the stretch at each position', () => {
    fc.assert(
      fc.property(steps, position, (script, from) => {
        const { set, model } = play(script);
        expect(set.endFrom(from)).toBe(endFrom(model, from));
      }),
      { numRuns: 500 },
    );
  });

  test('finds the first gap between two positions', () => {
    fc.assert(
      fc.property(steps, position, position, (script, from, limit) => {
        const { set, model } = play(script);
        expect(set.firstGap(from, limit)).toEqual(firstGap(model, from, limit));
      }),
      { numRuns: 500 },
    );
  });

  test('is the same after a way through JSON, in whatever order its intervals are told', () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (script, isReversed) => {
        const { set } = play(script);
        const told = JSON.parse(JSON.stringify(set)) as Interval[];
        expect(new IntervalSet(isReversed ? told.toReversed() : told).toJSON()).toEqual(set.toJSON());
      }),
    );
  });

  test('hands out a list that later changes leave alone', () => {
    const set = new IntervalSet([[0, 10]]);
    const before = set.toJSON();
    set.add(10, 20);
    set.remove(0, 5);
    expect(before).toEqual([[0, 10]]);
  });

  test('counts bytes beyond 32 bits', () => {
    const tebibyte = 2 ** 40;
    const set = new IntervalSet([[0, tebibyte]]);
    set.remove(5, 6);
    expect(set.size).toBe(tebibyte - 1);
    expect(set.firstGap(0, tebibyte)).toEqual([5, 6]);
  });

  test('has no gap before Infinity but the rest', () => {
    expect(new IntervalSet([[0, 7]]).firstGap(0, Infinity)).toEqual([7, Infinity]);
  });
});
