import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deletionLimit, judgeDeletions } from '../../../src/replication/comparing/judge-deletions.ts';

describe('a run of deletions', () => {
  test.each([
    { deletions: 1, tags: 0, maxDelete: 0, isAllowed: true },
    { deletions: 2, tags: 8, maxDelete: 0, isAllowed: false },
    { deletions: 2, tags: 0, maxDelete: 0.1, isAllowed: false },
    { deletions: 10, tags: 90, maxDelete: 0.1, isAllowed: true },
    { deletions: 11, tags: 89, maxDelete: 0.1, isAllowed: false },
    { deletions: 29, tags: 71, maxDelete: 0.29, isAllowed: true },
    { deletions: 500, tags: 0, maxDelete: 1, isAllowed: true },
  ])('of $deletions beside $tags tags is allowed up to $maxDelete: $isAllowed', ({ isAllowed, ...run }) => {
    expect(judgeDeletions(run) === undefined).toBe(isAllowed);
  });

  test('that is too large is told in numbers', () => {
    expect(judgeDeletions({ deletions: 30, tags: 70, maxDelete: 0.1 })).toBe(
      '30 of 100 tags would be deleted (30 %, more than maxDelete 10 %)',
    );
    expect(judgeDeletions({ deletions: 21, tags: 179, maxDelete: 0.1 })).toContain(
      '(10.5 %, more than maxDelete 10 %)',
    );
  });

  test('may have one more for what is known not to be deleted, never one less', () => {
    const run = fc.record({
      deletions: fc.nat(1000),
      tags: fc.nat(1000),
      maxDelete: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(run, fc.nat(1000), (one, more) => {
        expect(deletionLimit({ ...one, tags: one.tags + more })).toBeGreaterThanOrEqual(deletionLimit(one));
      }),
    );
  });
});
