import { expect, test } from 'vitest';
import { validatedAt } from '../../../src/registry/pushing/validated-at.ts';

const usual = { freshForMs: 100, staleWhileRevalidateMs: 50, staleIfErrorMs: 500 };

test.each<[what: string, changedAtMs: number, expected: number]>([
  ['a moment ago', 990, 990],
  ['longer ago than a tag stays fresh', 700, 900],
  ['long ago', 0, 900],
  ['by a clock that is ahead', 1200, 1000],
])('a tag that was changed at another site %s', (_, changedAtMs, expected) => {
  expect(validatedAt(changedAtMs, usual, 1000)).toBe(expected);
});

test('a tag that stays fresh for ever is as old as it is', () => {
  expect(validatedAt(300, { ...usual, freshForMs: Infinity }, 1000)).toBe(300);
});
