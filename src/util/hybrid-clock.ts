/**
 * A time that orders events of several sites: never behind the wall clock, never behind anything seen. Kulkarni et al.,
 * "Logical Physical Clocks" (2014).
 */
export interface HybridTime {
  /** Milliseconds since the epoch, as the furthest clock had them. */
  readonly ms: number;
  /** Orders what happened within the same millisecond. */
  readonly count: number;
}

/** The time after everything that was seen. */
export function tick(last: HybridTime, nowMs: number): HybridTime {
  return nowMs > last.ms ? { ms: nowMs, count: 0 } : { ms: last.ms, count: last.count + 1 };
}

/** Negative: `one` is earlier. */
export function compareTimes(one: HybridTime, other: HybridTime): number {
  return one.ms - other.ms || one.count - other.count;
}
