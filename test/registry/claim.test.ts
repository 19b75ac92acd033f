import { describe, expect, test } from 'vitest';
import { chooseClaim, type Claim, type FillState } from '../../src/registry/fill/claim.ts';

const MIB = 1024 * 1024;
const idle: FillState = {
  sizeBytes: 100 * MIB,
  have: [],
  claims: [],
  wanted: [],
  honoursRange: true,
  nowMs: 10_000,
  connections: 4,
};

function claim(startBytes: number, endBytes: number, changes: Partial<Claim> = {}): Claim {
  return { startBytes, positionBytes: startBytes, endBytes, isRanged: true, answeredAtMs: undefined, ...changes };
}

describe('chooseClaim', () => {
  test.each<[string, FillState, object | undefined]>([
    [
      'the whole of a small blob',
      { ...idle, sizeBytes: 5 * MIB },
      { startBytes: 0, endBytes: 5 * MIB, isRanged: false },
    ],
    ['a part of a large blob', idle, { startBytes: 0, isRanged: true }],
    ['the first part of a blob of unknown size', { ...idle, sizeBytes: undefined }, { startBytes: 0, isRanged: true }],
    ['the part that is waited for', { ...idle, wanted: [50 * MIB] }, { startBytes: 50 * MIB, isRanged: true }],
    [
      'the part of a blob of unknown size that is waited for',
      { ...idle, sizeBytes: undefined, wanted: [50 * MIB] },
      { startBytes: 50 * MIB },
    ],
    [
      'the rest of a small blob',
      { ...idle, sizeBytes: 5 * MIB, have: [[0, MIB]] },
      { startBytes: MIB, endBytes: 5 * MIB, isRanged: true },
    ],
    [
      'a gap',
      {
        ...idle,
        have: [
          [0, 10 * MIB],
          [11 * MIB, 100 * MIB],
        ],
      },
      { startBytes: 10 * MIB, endBytes: 11 * MIB },
    ],
    [
      'the whole, where Range is not honoured',
      { ...idle, honoursRange: false, have: [[0, MIB]] },
      { startBytes: 0, endBytes: 100 * MIB, isRanged: false },
    ],
    [
      'nothing more, where Range is not honoured',
      { ...idle, honoursRange: false, claims: [claim(0, 100 * MIB)] },
      undefined,
    ],
    [
      'nothing more before the size is known',
      { ...idle, sizeBytes: undefined, claims: [claim(0, MIB)], wanted: [9 * MIB] },
      undefined,
    ],
    [
      'nothing more before it is known whether Range is honoured',
      { ...idle, honoursRange: undefined, claims: [claim(0, MIB)] },
      undefined,
    ],
    ['nothing when all is there', { ...idle, have: [[0, 100 * MIB]] }, undefined],
    ['nothing after the end', { ...idle, have: [[0, 100 * MIB]], wanted: [100 * MIB] }, undefined],
    ['nothing of a blob of nothing', { ...idle, sizeBytes: 0 }, undefined],
  ])('asks for %s', (_, state, expected) => {
    const choice = chooseClaim(state);
    if (expected === undefined) expect(choice).toBe(undefined);
    else expect(choice).toMatchObject(expected);
  });

  test.each([
    [400, false],
    [500, true],
  ])('lets a client wait %i ms for a running request before another takes its rest: %s', (waitMs, isTaken) => {
    // 1000 bytes a millisecond for a second.
    const running = claim(0, 100 * MIB, { positionBytes: 1_000_000, answeredAtMs: 9000 });
    const wanted = [1_000_000 + waitMs * 1000];
    const choice = chooseClaim({ ...idle, claims: [running], wanted, connections: 1 });
    expect(choice?.takenFrom === running).toBe(isTaken);
  });

  test('takes the rest of a slow request for a client that waits far ahead of it, and leaves a fast one alone', () => {
    const slow = claim(0, 100 * MIB, { positionBytes: MIB, answeredAtMs: 9000 });
    const wanted = [50 * MIB];
    expect(chooseClaim({ ...idle, claims: [slow], wanted })).toEqual({
      startBytes: 50 * MIB,
      endBytes: 100 * MIB,
      isRanged: true,
      takenFrom: slow,
    });
    const fast = { ...slow, positionBytes: 49 * MIB };
    const silent = { ...slow, positionBytes: 0, answeredAtMs: undefined };
    const fresh = { ...slow, positionBytes: 1, answeredAtMs: 9900 };
    for (const one of [fast, silent, fresh]) {
      expect(chooseClaim({ ...idle, claims: [one], wanted, connections: 1 })).toBe(undefined);
    }
  });
});
