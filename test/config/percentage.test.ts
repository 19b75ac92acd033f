import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePercentage } from '../../src/config/percentage.ts';

describe('a percentage', () => {
  test.each([
    ['0', 0],
    ['0%', 0],
    ['0.1', 0.1],
    ['10%', 0.1],
    ['12.5%', 0.125],
    ['90%', 0.9],
    ['1', 1],
    ['100%', 1],
    ['150%', 1.5],
  ])('%s is %d', (text, part) => {
    expect(parsePercentage(text)).toBe(part);
  });

  test.each(['', '%', '-1%', '+1%', '.5', '5.', '1e-3', '10 %', '10%%', 'ten', `${'9'.repeat(400)}%`])(
    '%j is none',
    (text) => {
      expect(parsePercentage(text)).toBeUndefined();
    },
  );

  test('is the same with and without the sign', () => {
    fc.assert(
      fc.property(fc.nat(10_000), (hundredths) => {
        expect(parsePercentage(`${hundredths / 100}%`)).toBeCloseTo(hundredths / 10_000, 12);
        expect(parsePercentage((hundredths / 10_000).toFixed(4))).toBeCloseTo(hundredths / 10_000, 12);
      }),
    );
  });
});
