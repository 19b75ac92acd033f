import { expect, test } from 'vitest';
import { receivedBytesOf } from '../../src/upstream/upload-range.ts';

test.each([
  ['0-0', 0],
  ['0-1', 2],
  ['0-1048575', 1_048_576],
  [' 0-9 ', 10],
  ['bytes=0-10', 10],
  ['bytes=0-0', 0],
  ['0--1', undefined],
  ['1-5', undefined],
  ['0-', undefined],
  ['0-9999999999999999', undefined],
  ['junk', undefined],
  ['', undefined],
  [undefined, undefined],
])('Range: %s says %s', (range, expected) => {
  expect(receivedBytesOf(range)).toBe(expected);
});
