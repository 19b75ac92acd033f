import type { TimeWindowConfig } from './config.ts';
import { parsedText } from './scalars.ts';
import { oneOrMore } from './structures.ts';

const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/;
const DAY_MINUTES = 24 * 60;

/** Parts of the day, one or a list of them: `20:00-06:00`. Nothing given: always. */
export function timeWindows() {
  return oneOrMore(timeWindow())
    .optional()
    .transform((windows) => windows ?? []);
}

function timeWindow() {
  return parsedText(parseWindow, 'a part of the day; write for example "20:00-06:00"');
}

/** An end at or before the start is on the next day; `24:00` is midnight. */
export function parseWindow(source: string): TimeWindowConfig | undefined {
  const [, startHour, startMinute, endHour, endMinute] = WINDOW.exec(source.trim()) ?? [];
  if (endMinute === undefined) return undefined;
  const start = Number(startHour) * 60 + Number(startMinute);
  const end = Number(endHour) * 60 + Number(endMinute);
  if (end > DAY_MINUTES || start === end) return undefined;
  return { startMinute: start, endMinute: end % DAY_MINUTES };
}
