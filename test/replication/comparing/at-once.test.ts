import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { mapAtOnce } from '../../../src/replication/comparing/at-once.ts';

const FOREVER = new AbortController().signal;
const NUMBERS = Array.from({ length: 30 }, (_, number) => number);

/** Until the signal fires. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('broken off')), { once: true });
  });
}

describe('work that is done some at once', () => {
  test('keeps its order and its bound', async () => {
    let [open, mostOpen] = [0, 0];
    const doubled = await mapAtOnce(NUMBERS, FOREVER, async (number) => {
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      await nextTurn();
      open -= 1;
      return number * 2;
    });
    expect(doubled).toEqual(NUMBERS.map((number) => number * 2));
    expect(mostOpen).toBe(8);
  });

  test('ends as a whole with the first failure, and with that as its reason', async () => {
    const begun: number[] = [];
    const work = mapAtOnce(NUMBERS, FOREVER, async (number, signal) => {
      begun.push(number);
      if (number !== 3) return untilAborted(signal);
      await nextTurn();
      throw new Error('the third failed');
    });
    await expect(work).rejects.toThrow('the third failed');
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('ends with the reason of the signal', async () => {
    const stop = new AbortController();
    const work = mapAtOnce(NUMBERS, stop.signal, (_, signal) => untilAborted(signal));
    stop.abort(new Error('enough'));
    await expect(work).rejects.toThrow('enough');
    await expect(mapAtOnce(NUMBERS, stop.signal, () => Promise.resolve())).rejects.toThrow('enough');
  });
});
