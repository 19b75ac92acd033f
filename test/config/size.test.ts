import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSize } from '../../src/config/size.ts';

const UNITS: readonly [string, number][] = [
  ['', 1],
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
];

describe('a size', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['1GB', 1_000_000_000],
    ['512MiB', 536_870_912],
    ['100GiB', 107_374_182_400],
    ['100 GiB', 107_374_182_400],
  ])('%s is %d bytes', (text, sizeBytes) => {
    expect(parseSize(text)).toBe(sizeBytes);
  });

  test.each(['', 'GiB', '-1', '1.5GiB', '1G', '1gib', '1  GiB', ' 1', '1e3', '0x10', '9007199254740992', '8193TiB'])(
    '%j is none',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );

  test('is its number times its unit', () => {
    fc.assert(
      fc.property(fc.nat(8191), fc.constantFrom(...UNITS), fc.constantFrom('', ' '), (amount, [unit, bytes], gap) => {
        expect(parseSize(`${amount}${unit && gap}${unit}`)).toBe(amount * bytes);
      }),
    );
  });

  test('is a whole number of bytes from 0, or refused, for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9KMGTiB .-]{0,20}$/)), (text) => {
        const sizeBytes = parseSize(text);
        expect(sizeBytes === undefined || (Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)).toBe(true);
      }),
    );
  });
});
