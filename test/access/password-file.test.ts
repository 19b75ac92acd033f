import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Access } from '../../src/access/access.ts';
import { openAccess, type TestAccess } from './support/open-access.ts';
import { linesFor } from './support/users.ts';

const HOME = { kind: 'asked', address: '192.0.2.1' } as const;

async function canLogIn({ access }: TestAccess, name: string): Promise<boolean> {
  return (await access.login({ name, password: 'secret' }, HOME)).kind === 'accepted';
}

/** Puts another file in its place, so that no half of it is ever read. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** Asks again and again, for as long as a test lives. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

describe('a password file that changes', () => {
  test('is read again: who came can log in, who went cannot, whatever was remembered', async () => {
    await using opened = await openAccess({ users: ['alice'] });
    expect(await canLogIn(opened, 'alice')).toBe(true);
    await replace(opened.htpasswdFile, linesFor('bob'));
    // A new list has forgotten that bob was refused.
    await until(() => canLogIn(opened, 'bob'));
    expect(await canLogIn(opened, 'alice')).toBe(false);
  });

  test('in its place is read again', async () => {
    await using opened = await openAccess({ users: ['alice'] });
    await appendFile(opened.htpasswdFile, linesFor('bob'));
    await until(() => canLogIn(opened, 'bob'));
    expect(await canLogIn(opened, 'alice')).toBe(true);
  });

  test.each([
    ['to something that makes no sense', (file: string) => replace(file, `${linesFor('bob')}mallory:plain\n`)],
    ['by being deleted', (file: string) => rm(file)],
  ])('%s is told in the log, and the last users stay', async (_, change) => {
    await using opened = await openAccess({ users: ['alice'] });
    const logged = Promise.withResolvers<{ level: string; fields: object }>();
    opened.telemetry.log.error = (fields: object) => logged.resolve({ level: 'error', fields });
    await change(opened.htpasswdFile);
    expect(await logged.promise).toEqual({
      level: 'error',
      fields: {
        file: opened.htpasswdFile,
        code: 'PASSWORDS_UNUSABLE',
        error: expect.stringContaining(opened.htpasswdFile),
      },
    });
    expect(await canLogIn(opened, 'alice')).toBe(true);
    expect(await canLogIn(opened, 'bob')).toBe(false);
    await replace(opened.htpasswdFile, linesFor('carol'));
    await until(() => canLogIn(opened, 'carol'));
  });

  test('takes the tokens of those who went', async () => {
    await using opened = await openAccess({ users: ['alice', 'bob'] });
    const { access } = opened;
    const principal = { name: 'alice', isAnonymous: false };
    const { token } = await access.issueToken({ principal, grants: [], mayList: false });
    expect((await access.readToken(token))?.principal).toEqual(principal);
    await replace(opened.htpasswdFile, linesFor('bob'));
    await until(async () => (await access.readToken(token)) === undefined);
  });
});

describe('a password file that cannot be used at the start', () => {
  test.each([
    ['with a hash of another kind', 'alice:$apr1$a$b\n', /htpasswd.*line 1: .*MD5/],
    ['that is not there', undefined, /htpasswd.*ENOENT/],
  ])('%s stops it', async (_, text, message) => {
    await using opened = await openAccess();
    const { htpasswdFile, keyFile, telemetry } = opened;
    if (text === undefined) await rm(htpasswdFile);
    else await writeFile(htpasswdFile, text);
    await expect(
      Access.open({ htpasswdFile, policy: undefined, keyFile, site: 'here', telemetry }),
    ).rejects.toMatchObject({ code: 'PASSWORDS_UNUSABLE', message: expect.stringMatching(message) });
  });
});
