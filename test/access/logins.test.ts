import { describe, expect, test } from 'vitest';
import { comparePassword } from '../../src/access/bcrypt.ts';
import { FailureLimit } from '../../src/access/failure-limit.ts';
import { Logins } from '../../src/access/logins.ts';
import { PasswordList } from '../../src/access/password-list.ts';
import { openAccess } from './support/open-access.ts';
import { SECRET_HASH } from './support/users.ts';

const HOME = { kind: 'asked', address: '192.0.2.1' } as const;
const ALICE = { name: 'alice', password: 'secret' };
const ACCEPTED = { kind: 'accepted', principal: { name: 'alice', isAnonymous: false } };
const REFUSED = { kind: 'refused', isCompared: true };
const KNOWN = { kind: 'refused', isCompared: false };

describe('a login', () => {
  test('with the right password is accepted', async () => {
    await using opened = await openAccess();
    expect(await opened.access.login(ALICE, HOME)).toEqual(ACCEPTED);
  });

  test.each([
    ['a wrong password', { name: 'alice', password: 'Secret' }],
    ['no password', { name: 'alice', password: '' }],
    ['an unknown name', { name: 'mallory', password: 'secret' }],
    ['a name of other case', { name: 'Alice', password: 'secret' }],
    ['a name that objects have', { name: '__proto__', password: 'secret' }],
    ['no name', { name: '', password: 'secret' }],
  ])('with %s is refused after one comparison', async (_, credentials) => {
    await using opened = await openAccess();
    expect(await opened.access.login(credentials, HOME)).toEqual(REFUSED);
    expect(opened.comparisons).toBe(1);
  });

  test('of nobody is possible without a password file', async () => {
    await using opened = await openAccess({ users: undefined });
    expect(await opened.access.login(ALICE, HOME)).toEqual(KNOWN);
    expect(opened.comparisons).toBe(0);
  });

  test.each([
    ['right', ALICE, ACCEPTED, ACCEPTED],
    ['wrong', { ...ALICE, password: 'no' }, REFUSED, KNOWN],
  ])('that was %s is remembered for a minute', async (_, credentials, verdict, again) => {
    await using opened = await openAccess();
    expect(await opened.access.login(credentials, HOME)).toEqual(verdict);
    for (let time = 0; time < 20; time += 1) expect(await opened.access.login(credentials, HOME)).toEqual(again);
    opened.passTime(59_000);
    expect(await opened.access.login(credentials, HOME)).toEqual(again);
    expect(opened.comparisons).toBe(1);
    opened.passTime(2_000);
    expect(await opened.access.login(credentials, HOME)).toEqual(verdict);
    expect(opened.comparisons).toBe(2);
  });

  test('of many at once with the same credentials is one comparison', async () => {
    await using opened = await openAccess();
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => opened.access.login(ALICE, HOME)));
    expect(verdicts).toEqual(verdicts.map(() => ACCEPTED));
    expect(opened.comparisons).toBe(1);
  });

  test('does not take a name with a part of the password for another name', async () => {
    await using opened = await openAccess();
    await opened.access.login({ name: 'alice', password: 'secret' }, HOME);
    expect(await opened.access.login({ name: 'alices', password: 'ecret' }, HOME)).toEqual(REFUSED);
  });
});

describe('guessing', () => {
  test('ends after ten failures, without any more comparisons, until the minute is over', async () => {
    await using opened = await openAccess();
    const guess = (password: number) => opened.access.login({ name: 'alice', password: `${password}` }, HOME);
    for (let time = 0; time < 10; time += 1) expect(await guess(time)).toEqual(REFUSED);
    opened.passTime(15_000);
    expect(await guess(11)).toEqual({ kind: 'limited', retryAfterMs: 45_000 });
    expect(await opened.access.login(ALICE, HOME)).toEqual({ kind: 'limited', retryAfterMs: 45_000 });
    expect(opened.comparisons).toBe(10);
    expect(await opened.access.login(ALICE, { kind: 'asked', address: '192.0.2.2' })).toEqual(ACCEPTED);
    opened.passTime(45_000);
    expect(await guess(12)).toEqual(REFUSED);
  });

  test('by many requests at once gets no further', async () => {
    await using opened = await openAccess();
    const verdicts = await Promise.all(
      Array.from({ length: 40 }, (_, time) => opened.access.login({ name: 'alice', password: `${time}` }, HOME)),
    );
    // Two are compared at a time: the tenth failure may find an eleventh under way.
    expect(opened.comparisons).toBeGreaterThanOrEqual(10);
    expect(opened.comparisons).toBeLessThanOrEqual(11);
    expect(verdicts.filter(({ kind }) => kind === 'limited')).toHaveLength(40 - opened.comparisons);
  });

  test('is not what many users at once do who are right', async () => {
    const users = Array.from({ length: 30 }, (_, n) => `user${n}`);
    await using opened = await openAccess({ users });
    const verdicts = await Promise.all(users.map((name) => opened.access.login({ name, password: 'secret' }, HOME)));
    expect(verdicts.map(({ kind }) => kind)).toEqual(users.map(() => 'accepted'));
  });

  test('where nobody asked does not lock out those who are asked, and the other way round', async () => {
    await using opened = await openAccess();
    const unasked = { kind: 'unasked', address: HOME.address } as const;
    for (let time = 0; time < 12; time += 1) await opened.access.login({ name: 'hub', password: `${time}` }, unasked);
    expect(await opened.access.login({ name: 'hub', password: 'more' }, unasked)).toMatchObject({ kind: 'limited' });
    expect(await opened.access.login({ name: 'hub', password: 'more' }, HOME)).toEqual(REFUSED);
    expect(await opened.access.login(ALICE, HOME)).toEqual(ACCEPTED);
  });

  test('does not lock out who was right at the same address within the last day', async () => {
    await using opened = await openAccess();
    await opened.access.login(ALICE, HOME);
    opened.passTime(3_600_000);
    for (let time = 0; time < 12; time += 1) await opened.access.login({ name: 'ci', password: `${time}` }, HOME);
    expect(await opened.access.login({ name: 'ci', password: 'x' }, HOME)).toMatchObject({ kind: 'limited' });
    expect(await opened.access.login(ALICE, HOME)).toEqual(ACCEPTED);
  });

  test('does not lock out who is remembered at the same address', async () => {
    await using opened = await openAccess();
    await opened.access.login(ALICE, HOME);
    for (let time = 0; time < 12; time += 1) await opened.access.login({ name: 'ci', password: `${time}` }, HOME);
    expect(await opened.access.login(ALICE, HOME)).toEqual(ACCEPTED);
  });

  test('of unknown names costs as much as of the most expensive known one', () => {
    const list = new PasswordList(
      new Map([
        ['cheap', SECRET_HASH],
        ['dear', SECRET_HASH.replace('$04$', '$11$')],
      ]),
      Date.now,
    );
    expect(list.hashFor('mallory')).toMatch(/^\$2b\$11\$.{53}$/);
    expect(list.hashFor('cheap')).toBe(SECRET_HASH);
  });
});

test('comparisons run two at a time, and what waits is bounded', async () => {
  let running = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  const list = new PasswordList(new Map([['alice', SECRET_HASH]]), Date.now);
  const logins = new Logins({
    passwords: { current: list, [Symbol.dispose]: () => undefined },
    failures: { asked: new FailureLimit(Date.now), unasked: new FailureLimit(Date.now) },
    compare: async (password, hash) => {
      running += 1;
      most = Math.max(most, running);
      await gate.promise;
      running -= 1;
      return password === 'secret' && (await comparePassword(password, hash));
    },
  });
  const attempts = Array.from({ length: 140 }, (_, time) =>
    logins.verify({ name: 'alice', password: `${time}` }, { kind: 'asked', address: `192.0.2.${time}` }),
  );
  gate.resolve();
  const verdicts = await Promise.all(attempts);
  expect(most).toBe(2);
  const busy = verdicts.filter(({ kind }) => kind === 'limited');
  expect(busy.length).toBeGreaterThan(0);
  expect(busy.length).toBeLessThanOrEqual(12);
  expect(busy[0]).toEqual({ kind: 'limited', retryAfterMs: 5_000 });
});
