import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseVictims } from '../../../src/registry/space/choose-victims.ts';
import { diskBytesOf } from '../../../src/registry/space/disk-blocks.ts';

const roots = [100, 0, 50, 200].map((diskBytes, number) => ({ diskBytes, number }));

describe('chooseVictims', () => {
  test.each<[number, number[]]>([
    [1, [0]],
    [100, [0]],
    [101, [0, 1, 2]],
    [150, [0, 1, 2]],
    [151, [0, 1, 2, 3]],
    [1000, [0, 1, 2, 3]],
    [0, [0]],
    [-5, [0]],
  ])('where %i bytes are missing takes %j', (missingBytes, numbers) => {
    expect(chooseVictims(roots, missingBytes).map(({ number }) => number)).toEqual(numbers);
  });

  test('takes nothing where there is nothing', () => {
    expect(chooseVictims([], 100)).toEqual([]);
  });

  test('takes the first ones, enough of them, and none that need not go', () => {
    const sizes = fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, fc.nat(5000), (all, missingBytes) => {
        const candidates = all.map((diskBytes, number) => ({ diskBytes, number }));
        const victims = chooseVictims(candidates, missingBytes);
        const sum = (some: readonly { diskBytes: number }[]) => some.reduce((total, one) => total + one.diskBytes, 0);
        expect(victims).toEqual(candidates.slice(0, victims.length));
        expect(victims.length).toBeGreaterThan(0);
        if (victims.length < candidates.length) expect(sum(victims)).toBeGreaterThanOrEqual(missingBytes);
        if (victims.length > 1) expect(sum(victims.slice(0, -1))).toBeLessThan(missingBytes);
      }),
    );
  });
});

describe('diskBytesOf', () => {
  test.each([
    [0, 0],
    [1, 4096],
    [4095, 4096],
    [4096, 4096],
    [4097, 8192],
    [2 ** 40 + 1, 2 ** 40 + 4096],
  ])('%i bytes take %i', (diskBytes, expected) => {
    expect(diskBytesOf(diskBytes)).toBe(expected);
  });
});
