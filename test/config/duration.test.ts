import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../src/config/duration.ts';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

describe('a duration', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['5m250ms', 300_250],
    ['1h30m', 5_400_000],
    ['90m', 5_400_000],
    ['7d', 604_800_000],
    ['forever', Infinity],
  ])('%s is %d ms', (text, durationMs) => {
    expect(parseDuration(text)).toBe(durationMs);
  });

  test.each(['', '5', '5 m', '5 minutes', '-5m', '+5m', '1.5h', '30m1h', '1m1m', '5M', 'Forever', '5m ', 'ms', '1e3s'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  test('that cannot be counted exactly is none', () => {
    expect(parseDuration('9007199254740991ms')).toBe(Number.MAX_SAFE_INTEGER);
    expect(parseDuration('9007199254740992ms')).toBeUndefined();
    expect(parseDuration(`${'9'.repeat(400)}d`)).toBeUndefined();
  });

  test('is the sum of its parts, whichever are given', () => {
    const parts = fc.tuple(...UNITS.map(() => fc.option(fc.nat(10_000), { nil: undefined })));
    fc.assert(
      fc.property(parts, (amounts) => {
        const given = UNITS.map(([unit, ms], index) => ({ unit, ms, amount: amounts[index] }));
        const present = given.filter(({ amount }) => amount !== undefined);
        fc.pre(present.length > 0);
        const text = present.map(({ unit, amount }) => `${amount}${unit}`).join('');
        const sumMs = present.reduce((sum, { ms, amount = 0 }) => sum + ms * amount, 0);
        expect(parseDuration(text)).toBe(sumMs);
      }),
    );
  });

  test('is a whole number of ms from 0, or forever, or refused, for any text', () => {
    const nearly = fc.stringMatching(/^[0-9dhms .+-]{0,12}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        const durationMs = parseDuration(text);
        expect(durationMs === undefined || durationMs === Infinity || Number.isSafeInteger(durationMs)).toBe(true);
        expect(durationMs ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
