import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { failureOf, loadText, problemsOf } from './load-text.ts';

const TOKEN = 'hunter2-hunter2-hunter2';
const NEEDED = {
  path: 'admin.tokenFile',
  line: 1,
  column: 1,
  message: 'is missing: the API beyond loopback needs a token; name a file that holds one, or listen on 127.0.0.1',
};

describe('the token of the admin API', () => {
  test('comes from the configuration or from a file, and is never shown', async () => {
    const { admin } = await loadText(`admin: {token: "\${TOKEN}"}`, { env: { TOKEN } });
    expect(admin.token?.reveal()).toBe(TOKEN);
    expect(inspect(admin)).not.toContain('hunter2');
    const fromFile = await loadText('admin: {listen: ":5001", tokenFile: token}', { files: { token: `${TOKEN}\n` } });
    expect(fromFile.admin).toMatchObject({ listen: { host: undefined, port: 5001 } });
    expect(fromFile.admin.token?.reveal()).toBe(TOKEN);
  });

  test.each([
    '127.0.0.1:5001',
    '127.8.9.10:5001',
    '"[::1]:5001"',
    '"[0:0:0:0:0:0:0:1]:5001"',
    '"[::ffff:127.0.0.1]:5001"',
    'LocalHost:5001',
  ])('is not needed on %s', async (listen) => {
    expect((await loadText(`admin: {listen: ${listen}}`)).admin.token).toBeUndefined();
  });

  test.each([
    ':5001',
    '0.0.0.0:5001',
    '"[::]:5001"',
    '10.0.0.1:5001',
    'mirror.internal:5001',
    'localhost.example:5001',
  ])('is needed on %s', async (listen) => {
    expect(await problemsOf(`admin: {listen: ${listen}}`)).toEqual([NEEDED]);
  });

  test('is asked for beside other mistakes of the section', async () => {
    const problems = await problemsOf('admin: {listen: ":5001", drain: 5}');
    expect(problems.map(({ path }) => path)).toEqual(['admin.tokenFile', 'admin.drain']);
  });

  test.each([
    ['token: hunter2-hunter2', 'admin.token', 'the token is too short; give at least 16 characters'],
    ['token: "hunter2 hunter2 hunter2"', 'admin.token', 'the token has a character that no bearer token can have'],
    ['token: "hunter2-hunter2-hünter2"', 'admin.token', 'the token has a character that no bearer token can have'],
    ['token: "hunter2-hunter2-hunter2\\n"', 'admin.token', 'holds a line break'],
    ['token: ""', 'admin.token', 'is empty'],
    ['token: ', 'admin.token', 'has no value'],
    ['token: [hunter2]', 'admin.token', 'must be text, not a list'],
    ['token: {hunter2: "${hunter2"}', 'admin.token', 'must be text, not a map of keys'],
    ['token: "${UNSET}"', 'admin.token', 'environment variable UNSET, which is not set'],
    ['tokenFile: short', 'admin.tokenFile', 'the token is too short; give at least 16 characters'],
    ['tokenFile: nowhere', 'admin.tokenFile', 'there is no such file'],
    ['token: hunter2-hunter2-hunter2, tokenFile: short', 'admin.tokenFile', 'is given beside token'],
  ])('is refused as {%s}, and asked for no second time', async (keys, path, message) => {
    const error = await failureOf(`admin: {listen: ":5001", ${keys}}`, { files: { short: 'hunter2' } });
    const first = error.problems[0];
    expect(first).toMatchObject({ path, line: 1, message: expect.stringContaining(message) });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2|h\u00fcnter2/);
    expect(error.message).not.toContain('beyond loopback');
  });
});
