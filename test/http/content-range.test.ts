import { describe, expect, test } from 'vitest';
import { parseContentRange } from '../../src/http/content-range.ts';

describe('parseContentRange', () => {
  test.each([
    ['0-0', { startBytes: 0, endBytes: 1 }],
    ['0-1023', { startBytes: 0, endBytes: 1024 }],
    ['1024-2047', { startBytes: 1024, endBytes: 2048 }],
    [' 5-9 ', { startBytes: 5, endBytes: 10 }],
    ['bytes 0-99/*', { startBytes: 0, endBytes: 100 }],
    ['bytes 0-99/1000', { startBytes: 0, endBytes: 100 }],
    ['bytes=0-99', { startBytes: 0, endBytes: 100 }],
    ['999999999999998-999999999999999', { startBytes: 999_999_999_999_998, endBytes: 1_000_000_000_000_000 }],
  ])('reads %j', (header, range) => {
    expect(parseContentRange(header)).toEqual(range);
  });

  test.each([
    '',
    '5',
    '5-',
    '-5',
    '5-4',
    'a-b',
    '0-1-2',
    '0x1-0x2',
    'bytes */100',
    '0-9999999999999999',
    '1.5-2',
    '0 - 5',
  ])('finds %j invalid', (header) => {
    expect(parseContentRange(header)).toBe('invalid');
  });

  test('says nothing of nothing', () => {
    expect(parseContentRange(undefined)).toBe(undefined);
  });
});
