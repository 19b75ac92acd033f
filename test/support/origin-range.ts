/** What a Range header asks for: a part (both ends included), everything, or nothing that exists. */
export type RequestedRange = { start: number; end: number } | 'all' | 'unsatisfiable';

/** Reads one byte range (RFC 9110, 14.1.2); several ranges, or another unit, ask for everything. */
export function readRange(header: string | undefined, size: number): RequestedRange {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (found === null) return 'all';
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return 'all';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = Math.min(last === '' ? size - 1 : Number(last), size - 1);
  return start >= size || end < start ? 'unsatisfiable' : { start, end };
}
