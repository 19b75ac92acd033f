import { describe, expect, test } from 'vitest';
import { parseRate } from '../../src/config/rate.ts';

describe('a rate', () => {
  test.each([
    ['50MiB/s', 52_428_800],
    ['1 kB/s', 1000],
    ['4096/s', 4096],
  ])('%s is %d bytes per second', (text, bytesPerSecond) => {
    expect(parseRate(text)).toBe(bytesPerSecond);
  });

  test.each(['', '/s', '50MiB', '50MiB/', '50MiB/m', '50MiB/s/s', '50 Mbit/s', '-1/s'])('%j is none', (text) => {
    expect(parseRate(text)).toBeUndefined();
  });
});
