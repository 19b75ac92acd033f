import type { TimeWindow } from './rule.ts';

const MINUTES_A_DAY = 24 * 60;
/** From any moment on, whatever can change does within two days: at the same time of the day it is the same again. */
const DAYS_AHEAD = 2;

/** May something be sent at that time? Without windows always. One that ends when it begins is the whole day. */
export function isWithin(windows: readonly TimeWindow[], atMs: number): boolean {
  if (windows.length === 0) return true;
  const minute = minuteOfDay(new Date(atMs));
  return windows.some(({ startMinute, endMinute }) => {
    if (startMinute === endMinute) return true;
    if (startMinute < endMinute) return startMinute <= minute && minute < endMinute;
    return minute >= startMinute || minute < endMinute;
  });
}

/** When {@link isWithin} changes next after that time; undefined: never. Where clocks are changed, up to an hour late. */
export function nextChange(windows: readonly TimeWindow[], atMs: number): number | undefined {
  const now = isWithin(windows, atMs);
  return boundaries(windows, atMs).find((boundaryMs) => isWithin(windows, boundaryMs) !== now);
}

/** Points in time at which a window begins or ends, in order. */
function boundaries(windows: readonly TimeWindow[], atMs: number): number[] {
  const day = new Date(atMs);
  const minutes = windows.flatMap(({ startMinute, endMinute }) => [startMinute, endMinute % MINUTES_A_DAY]);
  return Array.from({ length: DAYS_AHEAD + 1 }, (_, days) => days)
    .flatMap((days) => minutes.map((minute) => localTime(day, days, minute)))
    .filter((boundaryMs) => boundaryMs > atMs)
    .sort((one, other) => one - other);
}

function minuteOfDay(date: Date): number {
  return date.getHours() * 60 + date.getMinutes();
}

function localTime(day: Date, days: number, minute: number): number {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days, 0, minute).getTime();
}
