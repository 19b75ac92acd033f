import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Age, type Freshness, judgeAge, oldestServed } from '../../src/registry/freshness.ts';

function freshness(freshForMs: number, staleWhileRevalidateMs: number, staleIfErrorMs: number): Freshness {
  return { freshForMs, staleWhileRevalidateMs, staleIfErrorMs };
}

const usual = freshness(100, 50, 500);

describe('judgeAge', () => {
  test.each<[number, Freshness, Age]>([
    [0, usual, 'fresh'],
    [99, usual, 'fresh'],
    [100, usual, 'refreshing'],
    [149, usual, 'refreshing'],
    [150, usual, 'stale'],
    [600, usual, 'stale'],
    [601, usual, 'expired'],
    [-1, usual, 'stale'],
    [-1e12, usual, 'stale'],
    [0, freshness(0, 0, 0), 'stale'],
    [1, freshness(0, 0, 0), 'expired'],
    [0, freshness(0, 10, 0), 'refreshing'],
    [1e15, freshness(Infinity, 0, 0), 'fresh'],
    [1e15, freshness(100, Infinity, 0), 'refreshing'],
    [1e15, freshness(100, 0, Infinity), 'stale'],
    [-1, freshness(Infinity, Infinity, Infinity), 'stale'],
  ])('takes what is %d ms old by %j for %s', (ageMs, limits, expected) => {
    expect(judgeAge(ageMs, limits)).toBe(expected);
  });

  test('never makes anything fresher by growing older', () => {
    const order: Age[] = ['fresh', 'refreshing', 'stale', 'expired'];
    const limit = fc.oneof(fc.nat(1000), fc.constant(Infinity));
    fc.assert(
      fc.property(fc.nat(3000), fc.nat(3000), limit, limit, limit, (one, other, fresh, revalidate, error) => {
        const limits = freshness(fresh, revalidate, error);
        const [younger, older] = one < other ? [one, other] : [other, one];
        const ages = [judgeAge(younger, limits), judgeAge(older, limits)].map((age) => order.indexOf(age));
        expect(ages).toEqual(ages.toSorted((a, b) => a - b));
      }),
    );
  });
});

test.each<[Freshness, number | undefined]>([
  [usual, 400],
  [freshness(0, 0, 0), 1000],
  [freshness(Infinity, 0, 0), undefined],
  [freshness(100, 0, Infinity), undefined],
])('what was told before some time is not served even where the upstream fails', (rules, atMs) => {
  expect(oldestServed(rules, 1000)).toBe(atMs);
  if (atMs === undefined) return;
  expect(judgeAge(1000 - atMs, rules)).not.toBe('expired');
  expect(judgeAge(1000 - atMs + 1, rules)).toBe('expired');
});
