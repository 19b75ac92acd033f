import { describe, expect, test } from 'vitest';
import { HtpasswdProblem, parseHtpasswd } from '../../src/access/htpasswd.ts';
import { linesFor, SECRET_HASH } from './support/users.ts';

const TAIL = SECRET_HASH.slice(7);

describe('a password file', () => {
  test.each([
    ['nothing', '', []],
    ['a line', linesFor('alice'), ['alice']],
    ['lines without an end', linesFor('alice', 'bob').trimEnd(), ['alice', 'bob']],
    ['comments and empty lines', `# users\n\n${linesFor('alice')}\n  \n#bob:x\n`, ['alice']],
    ["Windows' line ends and mark", `\uFEFF${linesFor('alice', 'bob').replaceAll('\n', '\r\n')}`, ['alice', 'bob']],
    ['names of other kinds', linesFor('robot$ci+x', 'a@b.example', 'zoë'), ['robot$ci+x', 'a@b.example', 'zoë']],
    ['a comment behind a hash', `alice:${SECRET_HASH}:the admin\n`, ['alice']],
  ])('of %s is read', (_, text, names) => {
    const hashes = parseHtpasswd(text);
    expect([...hashes.keys()]).toEqual(names);
    expect([...hashes.values()]).toEqual(names.map(() => SECRET_HASH));
  });

  test.each(['$2a$04$', '$2b$10$', '$2y$05$', '$2y$17$'])('may have hashes that begin with %s', (prefix) => {
    expect(parseHtpasswd(`alice:${prefix}${TAIL}`).get('alice')).toBe(prefix + TAIL);
  });

  test.each([
    ['alice:$apr1$xxxxxxxx$yyyyyyyyyyyyyyyyyyyyyy', 'an MD5 hash'],
    ['alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', 'a SHA-1 hash'],
    ['alice:$5$salt$hash', 'a SHA-256 hash'],
    ['alice:$6$salt$hash', 'a SHA-512 hash'],
    ['alice:$argon2id$v=19$m=65536', 'an Argon2 hash'],
    ['alice:plain', 'no bcrypt hash'],
    ['alice:', 'no bcrypt hash'],
    [`alice:$2x$04$${TAIL}`, 'cut off or has a cost'],
    [`alice:$2b$18$${TAIL}`, 'cut off or has a cost'],
    [`alice:$2b$03$${TAIL}`, 'cut off or has a cost'],
    [`alice:${SECRET_HASH.slice(0, -1)}`, 'cut off or has a cost'],
    ['alice', 'no colon'],
    [`:${SECRET_HASH}`, 'the name is empty'],
    [`two words:${SECRET_HASH}`, 'no spaces'],
    [`a\u0007:${SECRET_HASH}`, 'control characters'],
    [`${'a'.repeat(256)}:${SECRET_HASH}`, 'more than 255'],
    [`anonymous:${SECRET_HASH}`, 'means a group'],
    [`authenticated:${SECRET_HASH}`, 'means a group'],
    [`bob:${SECRET_HASH}`, '"bob" has a line already'],
  ])('with the line "%s" is refused, and the line is named', (line, reason) => {
    const text = `# users\n${linesFor('bob')}${line}\n`;
    expect(() => parseHtpasswd(text)).toThrow(HtpasswdProblem);
    expect(() => parseHtpasswd(text)).toThrow(new RegExp(`^line 3: .*${reason}`));
  });

  test('never has its hashes in an error', () => {
    expect(() => parseHtpasswd('alice:hunter2')).toThrow(/^(?!.*hunter2).*$/);
  });
});
