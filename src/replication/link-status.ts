import type { JobCount } from '../metadata/replication-index.ts';
import type { JobState, LinkStatus } from './replication-operations.ts';

const STATES: readonly JobState[] = ['pending', 'running', 'waiting', 'parked', 'held'];

/** What there is to do for one link. */
export interface Backlog {
  /** Of this link. */
  readonly counts: readonly JobCount[];
  /** When the oldest event happened that has no job yet, or since when all has to be looked through. */
  readonly unplannedSinceMs: number | undefined;
  /** Of the rule: so long a deletion is not late. */
  readonly graceMs: number;
}

/** The figures of a backlog. Content that is not here yet does not count as late: nobody could send it. */
export function backlogFigures(
  { counts, unplannedSinceMs, graceMs }: Backlog,
  nowMs: number,
): Pick<LinkStatus, 'lagSeconds' | 'jobs' | 'pendingBytes'> {
  const late = counts.filter(({ state, jobs }) => state !== 'waiting' && jobs > 0);
  const lateSinceMs = late.map(({ sinceMs, isDeletion }) => (isDeletion ? sinceMs + graceMs : sinceMs));
  const sinceMs = [...lateSinceMs, ...(unplannedSinceMs === undefined ? [] : [unplannedSinceMs])];
  const lagsMs = sinceMs.flatMap((oneMs) => (oneMs <= nowMs ? [nowMs - oneMs] : []));
  const jobs = Object.fromEntries(
    STATES.map((state) => [state, sum(counts.filter((count) => count.state === state).map((count) => count.jobs))]),
  ) as Record<JobState, number>;
  return {
    // What happened in this very millisecond is not there either.
    lagSeconds: lagsMs.length === 0 ? 0 : Math.max(1, ...lagsMs) / 1000,
    jobs,
    pendingBytes: sum(counts.filter(({ isDeletion }) => !isDeletion).map(({ sizeBytes }) => sizeBytes)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
