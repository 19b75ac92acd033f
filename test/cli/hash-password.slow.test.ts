import { describe, expect, test } from 'vitest';
import { comparePassword } from '../../src/access/bcrypt.ts';
import { entrepot } from './command.ts';
import { type Answer, onTerminal } from './on-terminal.ts';

/** What is typed at the two questions; nothing more: the end of the input. */
function answersOf(typed: readonly string[]): Answer[] {
  return ['Password: ', 'Again: '].map((question, index) => [question, typed[index] ?? '\u0004']);
}

describe('hash-password', () => {
  test.each([
    ['of a user makes a line', ['ci'], 'secret\n', 'ci:'],
    ['makes a hash', [], 'secret', ''],
    ['takes the first line', ['ci'], 'secret\r\nmore\n', 'ci:'],
  ])('%s', async (_, args, input, prefix) => {
    const { exitCode, stdout, stderr } = await entrepot(['hash-password', ...args], '/', {}, input);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^(ci:)?\$2b\$10\$[./A-Za-z0-9]{53}\n$/);
    expect(stdout.startsWith(`${prefix}$2b$`)).toBe(true);
    expect(await comparePassword('secret', stdout.trim().slice(prefix.length))).toBe(true);
  });

  test.each([
    ['an empty password', [], '\n', 'the password is empty'],
    ['no password', [], '', 'the password is empty'],
    ['a long password', [], 'ö'.repeat(37), 'more than 72 bytes'],
    ['a password with a control character', [], 'a\u0007b', 'control character'],
    ['a name with a colon', ['a:b'], 'secret', 'no spaces, colons'],
    ["a group's name", ['anonymous'], 'secret', 'means a group'],
  ])('refuses %s', async (_, args, input, message) => {
    const { exitCode, stdout, stderr } = await entrepot(['hash-password', ...args], '/', {}, input);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('hash-password on a terminal', () => {
  test('asks twice, and shows nothing of what is typed', async () => {
    const { exitCode, shown } = await onTerminal(['hash-password', 'ci'], {
      answers: answersOf(['geheim\r', 'geheim\r']),
    });
    expect(exitCode).toBe(0);
    expect(shown).not.toContain('geheim');
    const hash = /ci:(\S{60})/.exec(shown)?.[1] ?? '';
    expect(await comparePassword('geheim', hash)).toBe(true);
  });

  test.each([
    ['two passwords that differ', ['one\r', 'two\r'], 'the two passwords differ'],
    ['Ctrl-C', ['one\u0003'], 'no password was given'],
    ['Ctrl-D', ['\u0004'], 'no password was given'],
  ])('refuses %s', async (_, typed, message) => {
    const { exitCode, shown } = await onTerminal(['hash-password'], { answers: answersOf(typed) });
    expect(exitCode).toBe(2);
    expect(shown).toContain(message);
    expect(shown).not.toMatch(/\$2b\$/);
  });
});
