import { expect, test } from 'vitest';
import { parseTagPattern, takesAllTags } from '../../src/oci/tag-pattern.ts';

test.each([
  ['v1.*', { form: 'glob', text: 'v1.*' }],
  ['semver: >=1.2', { form: 'semver', text: '>=1.2' }],
  ['regex:a|b', { form: 'regex', text: 'a|b' }],
  ['semver', { form: 'glob', text: 'semver' }],
])('the pattern %s', (pattern, parsed) => {
  expect(parseTagPattern(pattern)).toEqual(parsed);
});

test('knows whether nothing is left out', () => {
  expect([['*'], ['v*', '**'], ['v*'], []].map(takesAllTags)).toEqual([true, true, false, false]);
});
