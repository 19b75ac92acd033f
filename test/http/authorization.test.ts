import { describe, expect, test } from 'vitest';
import { parseAuthorization } from '../../src/http/authorization.ts';

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

describe('the header Authorization', () => {
  test.each([
    [undefined, { kind: 'none' }],
    ['', { kind: 'none' }],
    [basic('alice:secret'), { kind: 'basic', credentials: { name: 'alice', password: 'secret' } }],
    [
      basic('alice:secret').replace('Basic', 'bAsIc '),
      { kind: 'basic', credentials: { name: 'alice', password: 'secret' } },
    ],
    [basic('alice:a:b'), { kind: 'basic', credentials: { name: 'alice', password: 'a:b' } }],
    [basic('zoë:größe'), { kind: 'basic', credentials: { name: 'zoë', password: 'größe' } }],
    [basic('alice:'), { kind: 'basic', credentials: { name: 'alice', password: '' } }],
    [basic(':'), { kind: 'basic', credentials: { name: '', password: '' } }],
    [basic('alice'), { kind: 'unreadable' }],
    ['Basic', { kind: 'unreadable' }],
    ['Basic ###', { kind: 'unreadable' }],
    ['Bearer a.b-c_d~+/=', { kind: 'bearer', token: 'a.b-c_d~+/=' }],
    ['bearer  abc ', { kind: 'bearer', token: 'abc' }],
    ['Bearer', { kind: 'unreadable' }],
    ['Bearer a b', { kind: 'unreadable' }],
    ['Digest username="alice"', { kind: 'unreadable' }],
  ])('%s', (header, authorization) => {
    expect(parseAuthorization(header)).toEqual(authorization);
  });
});
