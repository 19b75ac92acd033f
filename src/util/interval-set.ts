/** A half-open stretch of numbers: `start` is in it, `end` is not. */
export type Interval = readonly [start: number, end: number];

/** A set of numbers kept as few, sorted, disjoint intervals. Made for byte positions: dozens of entries, not thousands. */
export class IntervalSet {
  #intervals: Interval[] = [];

  constructor(intervals: Iterable<Interval> = []) {
    for (const [start, end] of intervals) this.add(start, end);
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    const last = this.#intervals.at(-1);
    if (last && last[0] <= start && start <= last[1]) {
      // Appending to the last stretch is what a sequential download does thousands of times.
      if (end > last[1]) this.#intervals[this.#intervals.length - 1] = [last[0], end];
      return;
    }
    const before = this.#intervals.filter((interval) => interval[1] < start);
    const after = this.#intervals.filter((interval) => interval[0] > end);
    const touching = this.#intervals.slice(before.length, this.#intervals.length - after.length);
    const merged: Interval = [Math.min(start, touching[0]?.[0] ?? start), Math.max(end, touching.at(-1)?.[1] ?? end)];
    this.#intervals = [...before, merged, ...after];
  }

  remove(start: number, end: number): void {
    if (end <= start) return;
    this.#intervals = this.#intervals.flatMap(([from, to]): Interval[] => {
      if (to <= start || from >= end) return [[from, to]];
      return [[from, start] as const, [end, to] as const].filter((rest) => rest[0] < rest[1] && rest[0] >= from);
    });
  }

  /** The end of the interval that `position` is in; `position` itself if it is in none. */
  endFrom(position: number): number {
    const found = this.#intervals.find(([start, end]) => start <= position && position < end);
    return found ? found[1] : position;
  }

  /** The first stretch at or after `from` and before `limit` that is not in the set. */
  firstGap(from: number, limit: number): Interval | undefined {
    let start = from;
    for (const [have, end] of this.#intervals) {
      if (end <= start) continue;
      if (have > start) return start < limit ? [start, Math.min(have, limit)] : undefined;
      start = end;
    }
    return start < limit ? [start, limit] : undefined;
  }

  /** How many numbers are in the set. */
  get size(): number {
    return this.#intervals.reduce((sum, [start, end]) => sum + end - start, 0);
  }

  /** The intervals in order. */
  toJSON(): readonly Interval[] {
    return [...this.#intervals];
  }
}
