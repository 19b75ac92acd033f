import { expect, it } from 'vitest';
import { parseTokenResponse } from '../../src/upstream/token-response.ts';

const NOW = 1_800_000_000_000;
const S = 1000;

it.each<[string, unknown, { value: string; lifetimeMs: number } | undefined]>([
  ['a token', { token: 't', expires_in: 300 }, { value: 't', lifetimeMs: 300 * S }],
  ['an access_token', { access_token: 't', expires_in: 300 }, { value: 't', lifetimeMs: 300 * S }],
  ['both', { token: 't', access_token: 'a' }, { value: 't', lifetimeMs: 60 * S }],
  ['an empty token beside an access_token', { token: '', access_token: 'a' }, { value: 'a', lifetimeMs: 60 * S }],
  ['no expires_in', { token: 't' }, { value: 't', lifetimeMs: 60 * S }],
  ['a short life', { token: 't', expires_in: 5 }, { value: 't', lifetimeMs: 60 * S }],
  ['a life without end', { token: 't', expires_in: 1e12 }, { value: 't', lifetimeMs: 86_400 * S }],
  ['expires_in as text', { token: 't', expires_in: '120' }, { value: 't', lifetimeMs: 120 * S }],
  ['expires_in as junk', { token: 't', expires_in: 'soon' }, { value: 't', lifetimeMs: 60 * S }],
  [
    'a JWT with exp',
    { token: jwt({ exp: NOW / S + 900 }) },
    { value: jwt({ exp: NOW / S + 900 }), lifetimeMs: 900 * S },
  ],
  [
    'a JWT of a clock that is off',
    { token: jwt({ iat: 1000, exp: 1600 }) },
    { value: jwt({ iat: 1000, exp: 1600 }), lifetimeMs: 600 * S },
  ],
  ['what only looks like a JWT', { token: 'a.b.c' }, { value: 'a.b.c', lifetimeMs: 60 * S }],
  ['no token', { expires_in: 300 }, undefined],
  ['a number for a token', { token: 5 }, undefined],
  ['a token that would break the header', { token: 'a\r\nX-Evil: 1' }, undefined],
  ['a token beyond measure', { token: 'x'.repeat(65 * 1024) }, undefined],
  ['a list', ['t'], undefined],
  ['null', null, undefined],
])('reads %s', (_, answer, expected) => {
  expect(parseTokenResponse(Buffer.from(JSON.stringify(answer)), NOW)).toEqual(expected);
});

it('finds no token in a web page', () => {
  expect(parseTokenResponse(Buffer.from('<html>token</html>'), NOW)).toBeUndefined();
});

function jwt(claims: object): string {
  return ['{"alg":"none"}', JSON.stringify(claims), 'sig']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
}
