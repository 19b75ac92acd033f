const SIZE = /^(\d+)(?: ?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB))?$/;
const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * A size in bytes: `100GiB` (powers of 1024), `1GB` (powers of 1000), `4096`. Undefined for anything else, and for what
 * is too large to count exactly.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const sizeBytes = Number(match[1]) * (UNIT_BYTES[match[2] ?? 'B'] ?? Number.NaN);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}
