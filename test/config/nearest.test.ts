import { expect, test } from 'vitest';
import { nearest } from '../../src/config/nearest.ts';

const KEYS = ['freshFor', 'staleIfError', 'ca', 'url', 'passwordFile', 'password'];

test.each([
  ['freshfor', 'freshFor'],
  ['fresh_for', 'freshFor'],
  ['staleOnError', 'staleIfError'],
  ['uri', 'url'],
  ['passwd', 'password'],
  ['frequency', undefined],
  ['x', undefined],
  ['', undefined],
  ['f'.repeat(100_000), undefined],
])('%.20s most likely means %s', (word, expected) => {
  expect(nearest(word, KEYS)).toBe(expected);
});
