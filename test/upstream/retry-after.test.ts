import { expect, it } from 'vitest';
import { retryAfterMs } from '../../src/upstream/retry-after.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');

it.each<[string, string | undefined, number | undefined]>([
  ['nothing', undefined, undefined],
  ['junk', 'soon', undefined],
  ['an empty value', '', undefined],
  ['seconds', '60', 60_000],
  ['no time at all', '0', 0],
  ['a fraction', '0.25', 250],
  ['a negative number', '-5', undefined],
  ['an HTTP date', 'Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
  ['a date that has passed', 'Mon, 23 Nov 2026 11:00:00 GMT', 0],
  ['the time itself in seconds since 1970', String(NOW / 1000 + 90), 90_000],
  ['the time itself in milliseconds', String(NOW + 90_000), 90_000],
  ['a time that has passed', String(NOW / 1000 - 90), 0],
  ['an hour and more', '7200', 7_200_000],
  ['a day', '86400', 21_600_000],
  ['a date next year', 'Tue, 23 Nov 2027 12:00:30 GMT', 3_600_000],
  ['digits without end', '9'.repeat(400), undefined],
])('reads %s', (_, text, expected) => {
  expect(retryAfterMs(text, NOW)).toBe(expected);
});
