import { expect, it } from 'vitest';
import { nextLinkOf } from '../../src/upstream/link-header.ts';

it.each<[string | string[] | undefined, string | undefined]>([
  [undefined, undefined],
  ['</v2/a/tags/list?n=10&last=x>; rel="next"', '/v2/a/tags/list?n=10&last=x'],
  ['<https://quay.io/v2/a/tags/list?last=x>; rel=next', 'https://quay.io/v2/a/tags/list?last=x'],
  ['</a>; title="rel=\\"next\\"; x"; rel="prev"', undefined],
  ['</a>; rel="prev", </b>; REL="next"', '/b'],
  [['</a>; rel="prev"', '</b>; rel="next"'], '/b'],
  ['</a>; rel="prev next"', '/a'],
  ['</a>; rel="nextish"', undefined],
  ['</a?x=1,2;3>; foo=bar; rel = "next"', '/a?x=1,2;3'],
  ['</a>', undefined],
  ['junk', undefined],
])('finds the next page in %j', (header, expected) => {
  expect(nextLinkOf(header)).toBe(expected);
});

it('takes time in proportion to the length of a header', () => {
  const pieces = ['<', '<a>', '<>;rel="', '; rel=" ', '<a>; rel="x '];
  const start = performance.now();
  for (const piece of pieces) nextLinkOf(piece.repeat(100_000));
  // A step for each pair of characters would take minutes.
  expect(performance.now() - start).toBeLessThan(10_000);
});
