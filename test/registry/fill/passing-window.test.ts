import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PassingWindow, type WindowPlace } from '../../../src/registry/fill/passing-window.ts';
import { seededBytes } from '../../support/bytes.ts';

const MIB = 1024 * 1024;
const LAGGARD_MS = 5000;
const blob = seededBytes(3 * MIB, 'window');

/** Adds a piece where the last one ended. */
function add(window: PassingWindow, startBytes: number, endBytes: number): void {
  window.add(blob.subarray(startBytes, endBytes), startBytes);
}

function readAt(window: PassingWindow, positionBytes: number, length = 100): Buffer | undefined {
  const buffer = Buffer.alloc(length);
  const read = window.read(buffer, positionBytes);
  return read === undefined ? undefined : buffer.subarray(0, read);
}

/** Does it have room within so many ms? Goes on to wait if not. */
async function hasRoom(waiting: Promise<void>, ms = 0): Promise<boolean> {
  let isDone = false;
  void waiting.then(() => (isDone = true));
  await vi.advanceTimersByTimeAsync(ms);
  await turn();
  return isDone;
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('the window of what is streamed through', () => {
  test('gives what is in it, from any offset on', () => {
    const window = new PassingWindow();
    window.enter(1000);
    add(window, 1000, 1300);
    add(window, 1300, 1310);
    expect(readAt(window, 1000)).toEqual(blob.subarray(1000, 1100));
    expect(readAt(window, 1250)?.[0]).toBe(blob[1250]);
    expect(readAt(window, 1309)).toEqual(blob.subarray(1309, 1310));
    expect(readAt(window, 999)).toBe(undefined);
    expect(readAt(window, 1310)).toBe(undefined);
  });

  test('lets go of what all readers have, and of nothing else', () => {
    const window = new PassingWindow();
    const [quick, slow] = [window.enter(0), window.enter(0)];
    for (let at = 0; at < 1000; at += 100) add(window, at, at + 100);
    window.move(quick, 1000);
    expect(readAt(window, 0)).toEqual(blob.subarray(0, 100));
    window.move(slow, 250);
    expect(readAt(window, 150)).toBe(undefined);
    expect(readAt(window, 250)?.[0]).toBe(blob[250]);
    window.leave(slow);
    expect(readAt(window, 950)).toBe(undefined);
  });

  test('says which offsets are here or still to come', () => {
    const window = new PassingWindow();
    const place = window.enter(0);
    expect(window.isAhead(0, 0)).toBe(true);
    for (let at = 0; at < 1000; at += 100) add(window, at, at + 100);
    expect(window.isAhead(0, 1000)).toBe(true);
    window.move(place, 500);
    expect([0, 499, 500, 2000].map((at) => window.isAhead(at, 1000))).toEqual([false, false, true, true]);
    window.move(place, 1000);
    expect([999, 1000, 1001].map((at) => window.isAhead(at, 1000))).toEqual([false, true, true]);
  });

  test('keeps nothing for a reader that begins later on', () => {
    const window = new PassingWindow();
    window.enter(2 * MIB);
    add(window, 0, 1000);
    expect(readAt(window, 0)).toBe(undefined);
  });
});

describe('the pace of what is streamed through', () => {
  /** A window with a whole MiB in it that these readers have not taken. */
  function full(readers: number): { window: PassingWindow; places: WindowPlace[] } {
    const window = new PassingWindow();
    const places = Array.from({ length: readers }, () => window.enter(0));
    for (let at = 0; at < MIB; at += MIB / 16) add(window, at, at + MIB / 16);
    return { window, places };
  }

  test('is not held up before a megabyte is waiting', async () => {
    const window = new PassingWindow();
    window.enter(0);
    await window.room();
    add(window, 0, MIB - 1);
    await window.room();
    add(window, MIB - 1, MIB);
    expect(await hasRoom(window.room())).toBe(false);
  });

  test('is that of the slowest reader', async () => {
    const { window, places } = full(2);
    const [quick, slow] = places as [WindowPlace, WindowPlace];
    const room = window.room();
    window.move(quick, MIB);
    expect(await hasRoom(room, 4000)).toBe(false);
    window.move(slow, MIB / 2);
    expect(await hasRoom(room)).toBe(true);
    expect([quick, slow].map(({ isLeftBehind }) => isLeftBehind)).toEqual([false, false]);
  });

  test('is held up no more by a reader that has gone', async () => {
    const { window, places } = full(2);
    const [quick, slow] = places as [WindowPlace, WindowPlace];
    const room = window.room();
    window.move(quick, MIB);
    window.leave(slow);
    expect(await hasRoom(room)).toBe(true);
  });

  test('leaves behind a reader that takes nothing for five seconds while another goes on', async () => {
    const { window, places } = full(2);
    const [quick, slow] = places as [WindowPlace, WindowPlace];
    await vi.advanceTimersByTimeAsync(1000);
    const room = window.room();
    await vi.advanceTimersByTimeAsync(500);
    window.move(quick, MIB);
    expect(await hasRoom(room, LAGGARD_MS - 600)).toBe(false);
    expect(slow.isLeftBehind).toBe(false);
    expect(await hasRoom(room, LAGGARD_MS)).toBe(true);
    expect([quick, slow].map(({ isLeftBehind }) => isLeftBehind)).toEqual([false, true]);
    expect(readAt(window, 0)).toBe(undefined);
  });

  test('leaves nobody behind who takes a little all the time', async () => {
    const { window, places } = full(2);
    const [quick, slow] = places as [WindowPlace, WindowPlace];
    const room = window.room();
    window.move(quick, MIB);
    for (let second = 0; second < 30; second += 1) {
      await vi.advanceTimersByTimeAsync(1000);
      window.move(slow, second);
    }
    expect(await hasRoom(room)).toBe(false);
    expect(slow.isLeftBehind).toBe(false);
    window.move(slow, MIB);
    expect(await hasRoom(room)).toBe(true);
  });

  test('lets a single reader take its time', async () => {
    const { window, places } = full(1);
    const [only] = places as [WindowPlace];
    const room = window.room();
    expect(await hasRoom(room, 600_000)).toBe(false);
    expect(only.isLeftBehind).toBe(false);
    window.move(only, MIB);
    expect(await hasRoom(room)).toBe(true);
  });

  test('ends when nobody has read for a while', async () => {
    const nobody = expect.objectContaining({ code: 'NOBODY_READS' }) as Error;
    const { window, places } = full(2);
    // oxlint-disable-next-line vitest/valid-expect -- awaited below, when the time has passed
    const waiting = expect(window.room()).rejects.toThrow(nobody);
    for (const place of places) window.leave(place);
    await vi.advanceTimersByTimeAsync(20_000);
    await waiting;
    await expect(window.room()).rejects.toThrow(nobody);
  });

  test('waits a moment for somebody who may be about to come, and keeps the beginning for them', async () => {
    const window = new PassingWindow();
    await window.room();
    window.add(Buffer.alloc(MIB, 1), 0);
    const room = window.room();
    expect(await hasRoom(room, 300)).toBe(false);
    expect(window.isAhead(0, MIB)).toBe(true);
    const place = window.enter(0);
    window.move(place, MIB);
    expect(await hasRoom(room)).toBe(true);
  });

  test('brings every reader that keeps up all bytes, and never keeps much more than a megabyte', async () => {
    const paces = fc.array(fc.record({ from: fc.nat(MIB), bytes: fc.integer({ min: 100_000, max: MIB }) }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(paces, fc.integer({ min: 50_000, max: 400_000 }), async (readers, pieceBytes) => {
        const window = new PassingWindow();
        let endBytes = 0;
        let lowest = 0;
        const reading = readers.map(async ({ from, bytes }) => {
          const place = window.enter(from);
          for (let position = from; position < blob.length; ) {
            await turn();
            const got = readAt(window, position, bytes);
            if (got === undefined) {
              expect(position).toBeGreaterThanOrEqual(endBytes);
              continue;
            }
            expect(got.equals(blob.subarray(position, position + got.length))).toBe(true);
            position += got.length;
            window.move(place, position);
          }
          window.leave(place);
        });
        for (let at = 0; at < blob.length; at += pieceBytes) {
          await window.room();
          add(window, at, Math.min(at + pieceBytes, blob.length));
          endBytes = Math.min(at + pieceBytes, blob.length);
          while (lowest < endBytes && !window.isAhead(lowest, endBytes)) lowest += 1;
          expect(endBytes - lowest).toBeLessThanOrEqual(MIB + pieceBytes);
        }
        await Promise.all(reading);
      }),
      { numRuns: 25 },
    );
  });
});
