import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDistributionPath } from '../../src/http/distribution-path.ts';
import { nextLink, pageOf } from '../../src/http/list-page.ts';

const PATH = '/v2/library/app/tags/list';
const tags = ['a', 'b', 'c', 'd'];

describe('pageOf', () => {
  test.each([
    [undefined, undefined, tags, undefined],
    [4, undefined, tags, undefined],
    [9, undefined, tags, undefined],
    [2, undefined, ['a', 'b'], `<${PATH}?n=2&last=b>; rel="next"`],
    [2, 'b', ['c', 'd'], undefined],
    [1, 'b', ['c'], `<${PATH}?n=1&last=c>; rel="next"`],
    [undefined, 'bb', ['c', 'd'], undefined],
    [2, 'd', [], undefined],
    [2, 'z', [], undefined],
    [0, undefined, [], undefined],
    [0, 'd', [], undefined],
  ])('gives of n=%s and last=%s the entries %j with the Link %s', (limit, after, entries, link) => {
    expect(pageOf(tags, { limit, after }, PATH, {})).toEqual({ entries, link });
  });

  test('of nothing is nothing', () => {
    expect(pageOf([], { limit: 5, after: undefined }, PATH, {})).toEqual({ entries: [], link: undefined });
  });

  test('repeats the other parameters, encoded', () => {
    expect(nextLink(PATH, { ns: 'localhost:5000', n: '1', last: 'a b' })).toBe(
      `<${PATH}?ns=localhost%3A5000&n=1&last=a+b>; rel="next"`,
    );
  });

  test('gives everything once to a client that follows the links', () => {
    const entry = fc.string({ unit: fc.constantFrom(...'aZ0._-'.split('')), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), (names, limit) => {
        const all = names.sort();
        const seen: string[] = [];
        let url: string | undefined = `${PATH}?n=${limit}&ns=ghcr.io`;
        while (url !== undefined) {
          const request = parseDistributionPath(url);
          if (request.kind !== 'tags') throw new Error(`${url} is ${request.kind}`);
          expect(request.address.namespace).toBe('ghcr.io');
          const { entries, link } = pageOf(all, request.page, PATH, { ns: 'ghcr.io' });
          expect(entries.length).toBeLessThanOrEqual(limit);
          seen.push(...entries);
          url = link === undefined ? undefined : /^<(.*)>; rel="next"$/.exec(link)?.[1];
        }
        expect(seen).toEqual(all);
      }),
    );
  });
});
