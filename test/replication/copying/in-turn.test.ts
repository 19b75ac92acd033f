import pLimit from 'p-limit';
import { describe, expect, test } from 'vitest';
import { inTurn, unlessAborted } from '../../../src/replication/copying/in-turn.ts';

const NEVER = new AbortController().signal;

describe('work in turn', () => {
  test('waits for its turn, gives its value, and lets the next one in', async () => {
    const limit = pLimit(1);
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    const run = (name: string, until?: Promise<void>) =>
      inTurn(
        (hold) => limit(hold),
        NEVER,
        async () => {
          log.push(`${name} begins`);
          await until;
          log.push(`${name} ends`);
          return name;
        },
      );
    const both = Promise.all([run('one', gate.promise), run('two')]);
    await new Promise(setImmediate);
    expect(log).toEqual(['one begins']);
    gate.resolve();
    expect(await both).toEqual(['one', 'two']);
    expect(log).toEqual(['one begins', 'one ends', 'two begins', 'two ends']);
  });

  test('that fails lets the next one in too', async () => {
    const limit = pLimit(1);
    const failing = inTurn(
      (hold) => limit(hold),
      NEVER,
      () => Promise.reject(new Error('failed')),
    );
    const next = inTurn(
      (hold) => limit(hold),
      NEVER,
      async () => 'done',
    );
    await expect(failing).rejects.toThrow('failed');
    expect(await next).toBe('done');
  });

  test('that is given up while it waits is not begun, and holds up nobody', async () => {
    const limit = pLimit(1);
    const gate = Promise.withResolvers<void>();
    const first = inTurn(
      (hold) => limit(hold),
      NEVER,
      () => gate.promise,
    );
    const giveUp = new AbortController();
    let begun = 0;
    const work = async () => {
      begun += 1;
    };
    const second = inTurn((hold) => limit(hold), giveUp.signal, work);
    giveUp.abort(new Error('given up'));
    await expect(second).rejects.toThrow('given up');
    await expect(inTurn((hold) => limit(hold), giveUp.signal, work)).rejects.toThrow('given up');
    gate.resolve();
    await first;
    expect(
      await inTurn(
        (hold) => limit(hold),
        NEVER,
        async () => 'third',
      ),
    ).toBe('third');
    expect(begun).toBe(0);
  });
});

describe('waiting for a promise', () => {
  test('ends with it, or with the signal', async () => {
    expect(await unlessAborted(Promise.resolve(1), NEVER)).toBe(1);
    await expect(unlessAborted(Promise.reject(new Error('failed')), NEVER)).rejects.toThrow('failed');
    const giveUp = new AbortController();
    const waiting = unlessAborted(new Promise(() => undefined), giveUp.signal);
    giveUp.abort(new Error('given up'));
    await expect(waiting).rejects.toThrow('given up');
  });
});
