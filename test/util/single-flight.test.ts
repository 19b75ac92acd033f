import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { SingleFlight } from '../../src/util/single-flight.ts';

describe('a single flight', () => {
  test('runs one call for all who ask at the same time', async () => {
    const flight = new SingleFlight<number>();
    let calls = 0;
    const { promise, resolve } = Promise.withResolvers<number>();
    const asked = Array.from({ length: 100 }, () =>
      flight.run('a', () => {
        calls += 1;
        return promise;
      }),
    );
    resolve(7);
    expect(new Set(await Promise.all(asked))).toEqual(new Set([7]));
    expect(calls).toBe(1);
  });

  test('runs calls of different keys beside each other', async () => {
    const flight = new SingleFlight<string>();
    const never = flight.run('a', () => new Promise(() => undefined));
    expect(never).toBeInstanceOf(Promise);
    await expect(flight.run('b', () => Promise.resolve('b'))).resolves.toBe('b');
  });

  test('starts anew once a call has ended', async () => {
    const flight = new SingleFlight<number>();
    let calls = 0;
    const call = () => flight.run('a', async () => ++calls);
    expect(await call()).toBe(1);
    expect(await call()).toBe(2);
  });

  test('tells a failure to all who wait, and forgets it', async () => {
    const flight = new SingleFlight<string>();
    const { promise, reject } = Promise.withResolvers<string>();
    const waiting = [flight.run('a', () => promise), flight.run('a', () => promise)];
    reject(new Error('broken'));
    const results = await Promise.allSettled(waiting);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(flight.run('a', () => Promise.resolve('fine'))).resolves.toBe('fine');
  });

  test('does not let an old call that ends late take the place of a new one', async () => {
    const flight = new SingleFlight<number>();
    const first = flight.run('a', () => Promise.resolve(1));
    await first;
    const second = Promise.withResolvers<number>();
    const running = flight.run('a', () => second.promise);
    await turn();
    const joined = flight.run('a', () => Promise.resolve(3));
    second.resolve(2);
    expect([await running, await joined]).toEqual([2, 2]);
  });
});
