import { expect, it } from 'vitest';
import { rateNumbersOf } from '../../src/upstream/rate-numbers.ts';

it.each<[string, string | string[] | undefined, string | undefined, object | undefined]>([
  ['what Docker Hub sends', '100;w=21600', '76;w=21600', { limit: 100, remaining: 76, windowMs: 21_600_000 }],
  ['no window', '100', '76', { limit: 100, remaining: 76, windowMs: undefined }],
  ['a window with the limit only', '100;w=60', '76', { limit: 100, remaining: 76, windowMs: 60_000 }],
  ['spaces', ' 100 ; w = 60', '76', { limit: 100, remaining: 76, windowMs: 60_000 }],
  ['several policies', '10, 100;w=60', '7', { limit: 10, remaining: 7, windowMs: 60_000 }],
  ['a header that came twice', ['100;w=60', '5'], '7', { limit: 100, remaining: 7, windowMs: 60_000 }],
  ['nothing left', '100', '0', { limit: 100, remaining: 0, windowMs: undefined }],
  ['more than all', '100', '150', { limit: 100, remaining: 100, windowMs: undefined }],
  ['a window of no time', '100;w=0', '76', { limit: 100, remaining: 76, windowMs: undefined }],
  ['junk for a window', '100;w=soon', '76', { limit: 100, remaining: 76, windowMs: undefined }],
  ['no limit', undefined, '76', undefined],
  ['no remaining', '100', undefined, undefined],
  ['a limit of nothing', '0', '0', undefined],
  ['words', 'many', 'some', undefined],
  ['a negative number', '100', '-1', undefined],
  ['digits without end', '9'.repeat(400), '1', undefined],
])('reads %s', (_, limit, remaining, expected) => {
  const headers = { 'ratelimit-limit': limit, 'ratelimit-remaining': remaining };
  expect(rateNumbersOf({ headers })).toEqual(expected);
});
