import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/util/secret.ts';
import { failureOf, loadText, problemsOf } from './load-text.ts';

const upstream = (keys: string) => `upstreams:\n  ghcr.io: {${keys}}\n`;

test('a secret shows itself only when asked', () => {
  const secret = new Secret('hunter2');
  const shown = [String(secret), JSON.stringify({ secret }), inspect({ secret }), Object.values(secret).join()];
  expect(shown.join()).not.toContain('hunter2');
  expect(JSON.stringify({ secret })).toBe('{"secret":"[secret]"}');
  expect(secret.reveal()).toBe('hunter2');
});

describe('a secret in a file', () => {
  test.each([
    ['hunter2', 'hunter2'],
    ['hunter2\n', 'hunter2'],
    ['hunter2\r\n', 'hunter2'],
    [' ${NOT} a variable ', ' ${NOT} a variable '],
  ])('of %j is %j', async (content, password) => {
    const text = upstream('credentials: {username: a, passwordFile: pw}');
    const { upstreams } = await loadText(text, { files: { pw: content } });
    const [credentials] = upstreams[0]?.credentials ?? [];
    expect(credentials?.type === 'basic' && credentials.password.reveal()).toBe(password);
  });

  test.each([
    ['empty', '\n', 'is empty'],
    ['of two lines', 'hunter2\nhunter2', 'holds a line break or another control character'],
    ['too large', 'x'.repeat(64 * 1024 + 1), 'it is larger than 64 KiB'],
    ['not UTF-8', Uint8Array.of(0xff), 'it is not UTF-8 text'],
  ])('is refused when it is %s', async (_name, content, message) => {
    const text = upstream('credentials: {identityTokenFile: token}');
    expect(await problemsOf(text, { files: { token: content } })).toEqual([
      {
        path: 'upstreams."ghcr.io".credentials.identityTokenFile',
        line: 2,
        column: 27,
        message: expect.stringContaining(message),
      },
    ]);
  });

  test('may hold the URL of a proxy', async () => {
    const { upstreams } = await loadText(upstream('proxyFile: proxy'), { files: { proxy: 'http://u:p@proxy:3128\n' } });
    expect(upstreams[0]?.proxy?.reveal()).toBe('http://u:p@proxy:3128');
  });
});

describe('credentials are refused', () => {
  test.each([
    ['{username: a}', '', 'give username and password'],
    ['{password: hunter2}', '', 'give username and password'],
    ['{username: a, identityToken: hunter2}', '', 'identityToken (or identityTokenFile) alone'],
    ['{username: a, password: hunter2, identityToken: hunter2}', '', 'identityToken (or identityTokenFile) alone'],
    ['{}', '', 'does not say how to log in'],
    ['hunter2', '', 'must be a map of keys, not text'],
    ['{username: a, password: hunter2, passwordFile: pw}', '.passwordFile', 'is given beside password'],
    ['{username: a, passwordFile: nowhere}', '.passwordFile', 'there is no such file'],
    ['{username: a, password: ""}', '.password', 'is empty'],
    ['{username: a, password: 1234567}', '.password', 'must be text, not a number; put it in quotes'],
    ['{username: a, password: [hunter2]}', '.password', 'must be text, not a list'],
    ['{username: a, password: "hunter2\\n"}', '.password', 'holds a line break'],
    ['{username: a, password: "${hunter2}"}', '.password', 'environment variable'],
    ['{username: a, password: "${hunter 2"}', '.password', 'without a variable'],
    ['{username: "a:hunter2", password: b}', '.username', 'is not a user name'],
    ['{username: a, passwrd: hunter2}', '.passwrd', 'did you mean password?'],
    ['[hunter2]', '[0]', 'must be a map of keys, not text'],
    ['[{username: a, password: hunter2}, {username: b}]', '[1]', 'give username and password'],
    ['[{username: a, passwordFile: nowhere}]', '[0].passwordFile', 'there is no such file'],
    ['[{username: a}, {username: a, password: hunter2}]', '[1].username', 'is the user of an earlier entry too'],
    ['[{username: "a:b"}, {username: "a:b"}]', '[1].username', 'is not a user name'],
  ])('%s', async (credentials, key, message) => {
    const problems = await problemsOf(upstream(`credentials: ${credentials}`), { files: { pw: 'x' } });
    expect(problems).toContainEqual(
      expect.objectContaining({
        path: `upstreams."ghcr.io".credentials${key}`,
        message: expect.stringContaining(message),
      }),
    );
  });
});

describe('no error about a webhook shows its secrets', () => {
  test.each([
    'token: "hunter2 hunter2"',
    'token: "${hunter2 "',
    'token: {hunter2: {hunter2: x}}',
    'tokenFile: two-words',
    'secret: ["hunter2"]',
    'secret: {"hunter2": "${UNSET}"}',
    'secret: "hunter2\\n"',
    'url: "https://u:hunter2@a"',
    'url: "https://a/hunter2#x"',
    'url: hunter2',
    'url: "ftp://a/?key=hunter2"',
  ])('%s', async (keys) => {
    const error = await failureOf(`webhooks: [{name: a, ${keys}}]`, { files: { 'two-words': 'hunter2 hunter2' } });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2/);
  });
});

describe('no error shows a secret', () => {
  test.each([
    'credentials: {username: a, password: *hunter2}',
    'credentials: {username: a, password: !hunter2 x}',
    'credentials: {username: a, password: "\\hunter2"}',
    'credentials: {username: a, password: @hunter2}',
    'credentials: {username: a, password: &hunter2 &b x}',
    'credentials: {username: a, password: hunter2]',
    'credentials: {username: a, password: "hunter2',
    'credentials: {username: a, password: {hunter2: hunter2, hunter2: x}}',
    'credentials: {username: a, password: {hunter2: "${UNSET}"}}',
    'credentials: {username: a, password: ["hunter2"]}',
    'credentials: {username: "a:hunter2"}',
    'credentials: hunter2',
    'credentials: [hunter2]',
    'credentials: [{username: a, password: {hunter2: x}}, {username: a, password: ["hunter2"]}]',
    'credentials: {username: a, password: "${ hunter2 }"}',
    'credentials: {username: a, password: "hunter2\\t"}',
    'proxy: hunter2',
    'proxy: "ftp://u:hunter2@proxy"',
    'proxy: "http://u:hunter2@proxy/path"',
    'url: "https://u:hunter2@ghcr.io"',
    'url: "https://u:hunter2@ghcr.io:port"',
  ])('%s', async (keys) => {
    const error = await failureOf(upstream(keys));
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2/);
  });
});
