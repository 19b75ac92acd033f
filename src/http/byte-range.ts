/** A stretch of content: its first byte and the byte after its last. */
export interface ByteRange {
  readonly startBytes: number;
  readonly endBytes: number;
}

/** One range of a Range header: an offset to an optional last byte, or so many bytes at the end. */
export type RangeSpec =
  | { readonly kind: 'from'; readonly startBytes: number; readonly lastBytes: number | undefined }
  | { readonly kind: 'suffix'; readonly lengthBytes: number };

/** More ranges than any lazy puller asks for in one request. */
const MAX_RANGES = 1_000;

/** Reads a Range header (RFC 9110 14.2); undefined for none, and for one that is to be ignored. */
export function parseRange(header: string | undefined): readonly RangeSpec[] | undefined {
  const set = /^\s*bytes\s*=(.*)$/i.exec(header ?? '')?.[1];
  if (set === undefined) return undefined;
  const parts = set
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0 || parts.length > MAX_RANGES) return undefined;
  const specs = parts.map(parseSpec);
  return specs.every((spec) => spec !== undefined) ? specs : undefined;
}

function parseSpec(part: string): RangeSpec | undefined {
  const match = /^(\d{0,15})-(\d{0,15})$/.exec(part);
  if (!match) return undefined;
  const [, start = '', last = ''] = match;
  if (start === '') return last === '' ? undefined : { kind: 'suffix', lengthBytes: Number(last) };
  return { kind: 'from', startBytes: Number(start), lastBytes: last === '' ? undefined : Number(last) };
}

/** Where a reader of these ranges begins, as far as that is known without the size. */
export function firstOffset(specs: readonly RangeSpec[] | undefined): number {
  const first = specs?.[0];
  return first?.kind === 'from' ? first.startBytes : 0;
}

/**
 * The ranges that content of this size has, in the order asked for and cut at its end.
 * @returns empty when it has none of them (416); undefined when the whole is the better answer, because together they
 *   are more than the whole (RFC 9110 14.2 lets a server refuse such requests)
 */
export function resolveRanges(specs: readonly RangeSpec[], sizeBytes: number): readonly ByteRange[] | undefined {
  const ranges = specs.map((spec) => resolveSpec(spec, sizeBytes)).filter((range) => range !== undefined);
  const total = ranges.reduce((sum, range) => sum + range.endBytes - range.startBytes, 0);
  return ranges.length > 1 && total > sizeBytes ? undefined : ranges;
}

function resolveSpec(spec: RangeSpec, sizeBytes: number): ByteRange | undefined {
  if (spec.kind === 'suffix') {
    return spec.lengthBytes > 0 && sizeBytes > 0
      ? { startBytes: Math.max(0, sizeBytes - spec.lengthBytes), endBytes: sizeBytes }
      : undefined;
  }
  const endBytes = Math.min(sizeBytes, (spec.lastBytes ?? sizeBytes) + 1);
  return spec.startBytes < endBytes ? { startBytes: spec.startBytes, endBytes } : undefined;
}
