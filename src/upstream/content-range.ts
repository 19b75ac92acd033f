/** A `Content-Range: bytes first-last/total` (RFC 9110 14.4); the end is the byte after the last. */
export interface ContentRange {
  readonly startBytes: number;
  readonly endBytes: number;
  /** undefined for `*`. */
  readonly totalBytes: number | undefined;
}

/** Reads the Content-Range of a 206; undefined if it is missing, junk, or contradicts itself. */
export function parseContentRange(text: string | undefined): ContentRange | undefined {
  const [, first, last, total] = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)\s*$/i.exec(text ?? '') ?? [];
  if (first === undefined || last === undefined) return undefined;
  const startBytes = Number(first);
  const endBytes = Number(last) + 1;
  const totalBytes = total === '*' ? undefined : Number(total);
  if (endBytes <= startBytes || endBytes > (totalBytes ?? endBytes)) return undefined;
  return { startBytes, endBytes, totalBytes };
}
