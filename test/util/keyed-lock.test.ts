import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyedLock } from '../../src/util/keyed-lock.ts';

async function turns(count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) await turn();
}

describe('a keyed lock', () => {
  test('lets one piece of work at a time pass, in the order in which they came', async () => {
    const lock = new KeyedLock();
    const events: string[] = [];
    const work = (name: string, count: number) => async () => {
      events.push(`${name} begins`);
      await turns(count);
      events.push(`${name} ends`);
      return name;
    };
    const ran = [lock.run('a', work('1', 5)), lock.run('a', work('2', 0)), lock.run('a', work('3', 2))];
    expect(await Promise.all(ran)).toEqual(['1', '2', '3']);
    expect(events).toEqual(['1 begins', '1 ends', '2 begins', '2 ends', '3 begins', '3 ends']);
  });

  test('does not hold up the work of other keys', async () => {
    const lock = new KeyedLock();
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = lock.run('a', () => promise);
    expect(await lock.run('b', async () => 'b')).toBe('b');
    resolve();
    await held;
  });

  test('goes on after work that failed, and tells the failure to whoever brought it', async () => {
    const lock = new KeyedLock();
    const failing = [
      lock.run('a', async () => {
        await turn();
        throw new Error('first');
      }),
      lock.run('a', () => {
        throw new Error('second, at once');
      }),
      lock.run('a', async () => 'third'),
    ];
    expect(await Promise.allSettled(failing)).toEqual([
      { status: 'rejected', reason: new Error('first') },
      { status: 'rejected', reason: new Error('second, at once') },
      { status: 'fulfilled', value: 'third' },
    ]);
    expect(await lock.run('a', async () => 'later')).toBe('later');
  });

  test('is free again for work that comes when the last has ended', async () => {
    const lock = new KeyedLock();
    expect(await lock.run('a', async () => 1)).toBe(1);
    let hasBegun = false;
    const second = lock.run('a', async () => {
      hasBegun = true;
    });
    expect(hasBegun).toBe(true);
    await second;
  });

  test('for several keys waits for each of them, and holds all of them', async () => {
    const lock = new KeyedLock();
    const first = Promise.withResolvers<void>();
    const events: string[] = [];
    const running = [
      lock.run('b', () => first.promise),
      lock.runAll(['a', 'b', 'c'], async () => {
        events.push('all');
        await turns(3);
        events.push('all done');
      }),
      lock.run('c', async () => void events.push('c')),
      lock.run('a', async () => void events.push('a')),
    ];
    await turns(3);
    expect(events.includes('all')).toBe(false);
    first.resolve();
    await Promise.all(running);
    const without = events.filter((event) => event !== 'c');
    expect(without).toEqual(['all', 'all done', 'a']);
  });

  test('takes each key once, and none at all', async () => {
    const lock = new KeyedLock();
    expect(await lock.runAll(['a', 'a', 'b', 'a'], async () => 1)).toBe(1);
    expect(await lock.runAll([], async () => 2)).toBe(2);
    await expect(lock.runAll(['a', 'b'], () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await lock.runAll(['b', 'a'], async () => 3)).toBe(3);
  });

  test('never stands still, whatever keys are taken together, and never lets two pass with one key', async () => {
    const keys = fc.array(fc.constantFrom(...'abcde'.split('')), { maxLength: 5 });
    const work = fc.record({ keys, arrival: fc.nat(6), pause: fc.nat(4), fails: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(work, { maxLength: 20 }), async (works) => {
        const lock = new KeyedLock();
        const inUse = new Set<string>();
        const results = await Promise.allSettled(
          works.map(async ({ keys: wanted, arrival, pause, fails }) => {
            await turns(arrival);
            return lock.runAll(wanted, async () => {
              const mine = new Set(wanted);
              expect(mine.isDisjointFrom(inUse)).toBe(true);
              for (const key of mine) inUse.add(key);
              await turns(pause);
              for (const key of mine) inUse.delete(key);
              if (fails) throw new Error('failed');
            });
          }),
        );
        expect(results.map(({ status }) => status)).toEqual(
          works.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
        );
      }),
      { numRuns: 100 },
    );
  });
});
