import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { giveWay } from '../../src/util/give-way.ts';
import { sleep } from '../../src/util/sleep.ts';

/** Keeps the event loop at work until it is disposed of, in pieces that let others have their turn. */
function work(): Disposable {
  let isOver = false;
  const turn = (): void => {
    const startedAtMs = performance.now();
    while (performance.now() - startedAtMs < 2);
    if (!isOver) setImmediate(turn);
  };
  turn();
  return { [Symbol.dispose]: () => void (isOver = true) };
}

async function timeOf(task: () => Promise<void>): Promise<number> {
  const startedAtMs = performance.now();
  await task();
  return performance.now() - startedAtMs;
}

describe('giving way', () => {
  test('waits as long as it may while the event loop is busy', async () => {
    using _work = work();
    await sleep(50);
    expect(await timeOf(() => giveWay(60))).toBeGreaterThan(50);
    expect(await timeOf(() => giveWay(20))).toBeGreaterThan(15);
  });

  test('ends when the event loop has little to do', async () => {
    const working = work();
    await sleep(50);
    setTimeout(() => working[Symbol.dispose](), 30);
    expect(await timeOf(() => giveWay(60_000))).toBeLessThan(30_000);
    await sleep(50);
    expect(await timeOf(() => giveWay(60_000))).toBeLessThan(30_000);
  });

  test('lets others have their turn in any case', async () => {
    let turns = 0;
    void nextTurn().then(() => (turns += 1));
    await giveWay(0);
    expect(turns).toBe(1);
  });
});
