import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWithin, nextChange } from '../../src/replication/time-window.ts';
import type { TimeWindow } from '../../src/replication/rule.ts';

/** `20:00-06:00` as the configuration hands it on. */
function window(text: string): TimeWindow {
  const [start = '', end = ''] = text.split('-');
  return { startMinute: minutes(start), endMinute: minutes(end) };
}

function minutes(text: string): number {
  const [hours, rest] = text.split(':').map(Number);
  return (hours ?? 0) * 60 + (rest ?? 0);
}

/** A time of a day in spring, in the host's time zone. */
function at(text: string, day = 10): number {
  return new Date(2026, 4, day, 0, minutes(text)).getTime();
}

describe('a window of time', () => {
  test.each([
    [[], '03:00', true],
    [['08:00-17:00'], '07:59', false],
    [['08:00-17:00'], '08:00', true],
    [['08:00-17:00'], '16:59', true],
    [['08:00-17:00'], '17:00', false],
    [['20:00-06:00'], '19:59', false],
    [['20:00-06:00'], '20:00', true],
    [['20:00-06:00'], '00:00', true],
    [['20:00-06:00'], '05:59', true],
    [['20:00-06:00'], '06:00', false],
    [['00:00-24:00'], '23:59', true],
    [['09:00-09:00'], '03:00', true],
    [['08:00-09:00', '12:00-13:00'], '12:30', true],
    [['08:00-09:00', '12:00-13:00'], '10:30', false],
  ])('%j is open at %s: %s', (windows, time, isOpen) => {
    expect(isWithin(windows.map(window), at(time))).toBe(isOpen);
  });

  test.each([
    [['08:00-17:00'], '07:00', '08:00', 10],
    [['08:00-17:00'], '08:00', '17:00', 10],
    [['08:00-17:00'], '18:00', '08:00', 11],
    [['20:00-06:00'], '21:00', '06:00', 11],
    [['20:00-06:00'], '02:00', '06:00', 10],
    // Where one ends and the next begins, nothing changes.
    [['08:00-12:00', '12:00-13:00'], '09:00', '13:00', 10],
    [['22:00-24:00', '00:00-02:00'], '23:00', '02:00', 11],
  ])('%j changes after %s at %s of day %d', (windows, time, change, day) => {
    expect(nextChange(windows.map(window), at(time))).toBe(at(change, day));
  });

  test.each([[[]], [['00:00-24:00']], [['09:00-09:00']]])('%j never changes', (windows) => {
    expect(nextChange(windows.map(window), at('12:00'))).toBeUndefined();
  });

  test('stays as it is until it changes next', () => {
    const minute = fc.integer({ min: 0, max: 1439 });
    const some = fc.array(fc.record({ startMinute: minute, endMinute: minute }), { maxLength: 3 });
    fc.assert(
      fc.property(some, minute, (windows, now) => {
        const nowMs = at('00:00') + now * 60_000;
        const isOpen = isWithin(windows, nowMs);
        const changeMs = nextChange(windows, nowMs);
        const lastMs = changeMs ?? nowMs + 48 * 3_600_000;
        for (let ms = nowMs; ms < lastMs; ms += 60_000) expect(isWithin(windows, ms)).toBe(isOpen);
        if (changeMs !== undefined) expect(isWithin(windows, changeMs)).toBe(!isOpen);
      }),
      { numRuns: 50 },
    );
  });
});
