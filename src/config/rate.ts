import { parseSize } from './size.ts';

const PER_SECOND = '/s';

/** Bytes per second: `50MiB/s`, a size and the time. Undefined for anything else. */
export function parseRate(text: string): number | undefined {
  return text.endsWith(PER_SECOND) ? parseSize(text.slice(0, -PER_SECOND.length)) : undefined;
}
