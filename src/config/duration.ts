const DURATION = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS_MS = [86_400_000, 3_600_000, 60_000, 1000, 1];

/**
 * A duration in milliseconds: `250ms`, `30s`, `5m`, `1h30m`, `7d`, `0`; Infinity for `forever`. Units go from large to
 * small, each at most once. Undefined for anything else, and for what is too large to count exactly.
 */
export function parseDuration(text: string): number | undefined {
  if (text === 'forever') return Infinity;
  if (text === '0') return 0;
  const match = DURATION.exec(text);
  if (match === null || text === '') return undefined;
  const durationMs = UNITS_MS.reduce((sum, unitMs, index) => sum + Number(match[index + 1] ?? 0) * unitMs, 0);
  return Number.isSafeInteger(durationMs) ? durationMs : undefined;
}
