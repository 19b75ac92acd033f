import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sleep } from './sleep.ts';

/** The part of its time that the event loop works, beyond which those wait who are served. */
const BUSY = 0.8;
/** So long it is watched before it is judged. */
const LOOK_MS = 10;

/**
 * Lets those go first who are served. For work that nobody waits for, between its parts. Parts that wait go on one after the
 * other.
 * @param mostMs so long it waits at most, when it is its turn, while the event loop is busy; while it is not, for a turn
 */
export function giveWay(mostMs: number): Promise<void> {
  lastInLine = lastInLine.then(() => waitWhileBusy(mostMs));
  return lastInLine;
}

let lastInLine: Promise<void> = Promise.resolve();

async function waitWhileBusy(mostMs: number): Promise<void> {
  await nextTurn();
  for (let waitedMs = 0; waitedMs < mostMs && isBusy(); waitedMs += LOOK_MS) await sleep(LOOK_MS);
}

let mark = performance.eventLoopUtilization();
let markedAtMs = performance.now();
let wasBusy = false;

/** Of this thread, whoever asks. */
function isBusy(): boolean {
  const nowMs = performance.now();
  if (nowMs - markedAtMs < LOOK_MS) return wasBusy;
  const next = performance.eventLoopUtilization();
  wasBusy = performance.eventLoopUtilization(next, mark).utilization > BUSY;
  [mark, markedAtMs] = [next, nowMs];
  return wasBusy;
}
