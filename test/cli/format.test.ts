import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  formatAge,
  formatCount,
  formatDuration,
  formatShare,
  formatSize,
  printable,
} from '../../src/cli/output/format.ts';
import { formatTable } from '../../src/cli/output/table.ts';

describe('for people', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1024 ** 2 - 1, '1 MiB'],
    [1.25 * 1024 ** 3, '1.3 GiB'],
    [100 * 1024 ** 3, '100 GiB'],
    [1023.94 * 1024 ** 3, '1023.9 GiB'],
    [1023.96 * 1024 ** 3, '1 TiB'],
    [5000 * 1024 ** 5, '5000 PiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));

  test.each([
    [0, '0 seconds'],
    [1, '1 second'],
    [59.9, '59 seconds'],
    [60, '1 minute'],
    [7199, '1 hour'],
    [86_400 * 3, '3 days'],
    [86_400 * 29, '29 days'],
    [86_400 * 60, '2 months'],
    [86_400 * 365, '1 year'],
  ])('%d seconds are %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  test.each([
    [0, 'just now'],
    [-5000, 'just now'],
    [1000, '1 second ago'],
    [3 * 86_400_000, '3 days ago'],
  ])('%d ms before now is %s', (ms, text) => expect(formatAge(1e12 - ms, 1e12)).toBe(text));

  test.each([
    [0, '0 blobs'],
    [1, '1 blob'],
    [4211, '4,211 blobs'],
  ])('%i blobs are %s', (count, text) => expect(formatCount(count, 'blob')).toBe(text));

  test.each([
    [0, 0, '-'],
    [982, 1000, '98.2%'],
    [1, 1, '100.0%'],
  ])('%i of %i is %s', (part, whole, text) => expect(formatShare(part, whole)).toBe(text));

  test('what others wrote cannot move the cursor', () => {
    expect(printable('a\u001b[2Jb\r\n\u009bc')).toBe('a [2Jb c');
  });
});

describe('a table', () => {
  const lines = (text: string) => stripVTControlCharacters(text).split('\n');

  test('has columns as wide as what is in them, and no lines', () => {
    expect(
      lines(
        formatTable(
          ['NAME', 'SIZE'],
          [
            ['a', '10 GiB'],
            ['a-long-name', '-'],
          ],
        ),
      ),
    ).toEqual(['NAME          SIZE', 'a             10 GiB', 'a-long-name   -']);
  });

  test('of nothing is its headings', () => expect(lines(formatTable(['NAME', 'SIZE'], []))).toEqual(['NAME   SIZE']));

  test('of many rows has the same columns all the way, and is made in time', () => {
    const rows = Array.from({ length: 20_000 }, (_, number) => [`${'x'.repeat(number % 30)}${number}`, 'end']);
    const made = lines(formatTable(['NAME', 'LAST'], rows));
    expect(made).toHaveLength(20_001);
    expect(new Set(made.map((line) => line.search(/(end|LAST)$/))).size).toBe(1);
  });

  test('keeps a row in one line', () => {
    expect(lines(formatTable(['A', 'B'], [['one\ntwo', '\u001b[31mred']]))).toEqual([
      'A         B',
      'one two    [31mred',
    ]);
  });
});
