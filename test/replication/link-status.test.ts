import { describe, expect, test } from 'vitest';
import type { JobCount } from '../../src/metadata/replication-index.ts';
import { backlogFigures } from '../../src/replication/link-status.ts';

const NOW_MS = 1_000_000;

function count(changes: Partial<JobCount>): JobCount {
  const base = { rule: 'a', peer: 'one', state: 'pending', isDeletion: false, jobs: 1, sizeBytes: 0 } as const;
  return { ...base, sinceMs: NOW_MS - 10_000, ...changes };
}

describe('what is not done yet', () => {
  test.each<[string, number, Partial<Parameters<typeof backlogFigures>[0]>]>([
    ['nothing', 0, {}],
    ['a job that waits for its turn', 10, { counts: [count({})] }],
    ['a job that runs', 10, { counts: [count({ state: 'running' })] }],
    ['a refused one', 10, { counts: [count({ state: 'parked' })] }],
    ['one whose content is not here', 0, { counts: [count({ state: 'waiting' })] }],
    ['a deletion within its time of grace', 0, { counts: [count({ isDeletion: true })], graceMs: 60_000 }],
    ['a deletion after it', 8, { counts: [count({ isDeletion: true })], graceMs: 2000 }],
    ['a held deletion', 10, { counts: [count({ isDeletion: true, state: 'held' })] }],
    ['the older of two', 30, { counts: [count({}), count({ state: 'parked', sinceMs: NOW_MS - 30_000 })] }],
    ['one of this very moment', 0.001, { counts: [count({ sinceMs: NOW_MS })] }],
    ['an event without a job', 5, { unplannedSinceMs: NOW_MS - 5000 }],
    ['what was planned before the clock was set', 0, { counts: [count({ sinceMs: NOW_MS + 5000 })] }],
  ])('%s is late by %d seconds', (_, lagSeconds, backlog) => {
    const all = { counts: [], unplannedSinceMs: undefined, graceMs: 0, ...backlog };
    expect(backlogFigures(all, NOW_MS).lagSeconds).toBe(lagSeconds);
  });

  test('is counted by state, and by size if it is to be sent', () => {
    const counts = [
      count({ jobs: 2, sizeBytes: 100 }),
      count({ jobs: 3, isDeletion: true, sizeBytes: 7 }),
      count({ state: 'waiting', jobs: 4, sizeBytes: 50 }),
    ];
    expect(backlogFigures({ counts, unplannedSinceMs: undefined, graceMs: 0 }, NOW_MS)).toMatchObject({
      jobs: { pending: 5, running: 0, waiting: 4, parked: 0, held: 0 },
      pendingBytes: 150,
    });
  });
});
