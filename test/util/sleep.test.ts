import { describe, expect, test } from 'vitest';
import { sleep, within } from '../../src/util/sleep.ts';

/** Longer than a test may take: a wait of this length that is waited for is a failure. */
const FOREVER_MS = 600_000;

describe('sleep', () => {
  test('takes the time that it is told', async () => {
    const startedAt = performance.now();
    await sleep(30);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(28);
  });

  test('ends at once, and well, when the signal fires', async () => {
    const abort = new AbortController();
    const sleeping = sleep(FOREVER_MS, abort.signal);
    abort.abort(new Error('enough'));
    await expect(sleeping).resolves.toBe(undefined);
  });

  test('does not begin when the signal has fired already', async () => {
    await expect(sleep(FOREVER_MS, AbortSignal.abort())).resolves.toBe(undefined);
  });
});

describe('within', () => {
  test('gives the value of what settles in time', async () => {
    await expect(within(FOREVER_MS, Promise.resolve('value'))).resolves.toBe('value');
  });

  test('gives undefined for what does not, and lets it go on', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await expect(within(10, promise)).resolves.toBe(undefined);
    resolve('late');
    await expect(promise).resolves.toBe('late');
  });

  test('passes on a failure that comes in time', async () => {
    await expect(within(FOREVER_MS, Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });

  test('leaves a failure that comes late unnoticed', async () => {
    const { promise, reject } = Promise.withResolvers<string>();
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    await within(5, promise);
    reject(new Error('late'));
    await sleep(20);
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
});
