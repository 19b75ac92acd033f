import { describe, expect, test } from 'vitest';
import { formatHostPort, parseHostPort } from '../../src/config/host-port.ts';

describe('a host with a port', () => {
  test.each([
    ['ghcr.io', 'ghcr.io', undefined],
    ['GHCR.io:443', 'ghcr.io', 443],
    ['localhost:5000', 'localhost', 5000],
    ['127.0.0.1:0', '127.0.0.1', 0],
    [':5000', '', 5000],
    ['[::1]:5000', '::1', 5000],
    ['[::ffff:10.0.0.1]', '::ffff:10.0.0.1', undefined],
  ])('is read from %s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  test.each([
    '',
    ':',
    'a:',
    'a:b',
    'a:65536',
    'a:5000/x',
    '::1',
    '[::1',
    '[a]',
    '300.1.1.1',
    '10.0',
    '-a',
    'a..b',
    'a b',
    'a@b',
  ])('is not read from %j', (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });

  test('is written as in a URL', () => {
    expect(formatHostPort({ host: '0:0:0:0:0:0:0:1', port: 80 })).toBe('[::1]:80');
    expect(formatHostPort({ host: 'a.example', port: undefined })).toBe('a.example');
  });
});
