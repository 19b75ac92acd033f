const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const SPANS: readonly (readonly [name: string, seconds: number])[] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** A size for people: `1.2 GiB`, `512 B`. */
export function formatSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  // 1023.95 would be shown as 1024.0.
  while (unit < UNITS.length - 1 && Number(size.toFixed(1)) >= 1024) {
    size /= 1024;
    unit += 1;
  }
  return `${Number(size.toFixed(1))} ${UNITS[unit]}`;
}

/** A span of time for people, by its largest unit: `3 days`, `1 hour`. */
export function formatDuration(seconds: number): string {
  const [name, length] = SPANS.find((span) => seconds >= span[1]) ?? ['second', 1];
  return formatCount(Math.floor(seconds / length), name);
}

/** How long ago something was: `3 days ago`, `just now`. */
export function formatAge(atMs: number, nowMs = Date.now()): string {
  const seconds = (nowMs - atMs) / 1000;
  return seconds < 1 ? 'just now' : `${formatDuration(seconds)} ago`;
}

/** A number of things: `1 blob`, `4,211 blobs`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** A part of a whole: `98.2%`; of nothing, `-`. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`;
}

/** Text of others for one line on a terminal: what could move its cursor is taken out. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
