import { describe, expect, test } from 'vitest';
import { compileTagFilter } from '../../src/replication/tag-filter.ts';

describe('a tag filter', () => {
  test.each([
    ['*', ['latest', 'v1.0', '3'], []],
    ['v1.*', ['v1.0', 'v1.2.3'], ['v2.0', 'v1']],
    [
      'semver:>=1.2 <2',
      ['1.2.0', 'v1.5', '1.9.9', 'v1.2'],
      ['1.1.9', 'v1', '2', 'latest', '1.5.0-rc.1', '1.2.3.4', '01.5.0'],
    ],
    ['semver:^1.5.0-rc.1', ['1.5.0-rc.2', '1.6.0'], ['1.6.0-rc.1', '2.0.0']],
    ['semver:*', ['0.0.1', 'v3'], ['nightly', '20x']],
    ['regex:(debug|release)-\\d+', ['debug-1', 'release-22'], ['xdebug-1', 'debug-1x', 'debug-']],
  ])('%s takes what it says', (pattern, taken, others) => {
    const isTaken = compileTagFilter([pattern]);
    expect(taken.filter(isTaken)).toEqual(taken);
    expect(others.filter(isTaken)).toEqual([]);
  });

  test('takes what any of its patterns takes, and nothing without one', () => {
    const isTaken = compileTagFilter(['a*', 'semver:1']);
    expect(['abc', '1.2', 'b'].filter(isTaken)).toEqual(['abc', '1.2']);
    expect(compileTagFilter([])('a')).toBe(false);
  });

  test('takes no time for an expression that others would take for ever for', () => {
    const isTaken = compileTagFilter(['regex:(a+)+b']);
    expect(isTaken('a'.repeat(128))).toBe(false);
  });
});
