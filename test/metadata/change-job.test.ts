import { describe, expect, test } from 'vitest';
import type { NewJob } from '../../src/metadata/replication-index.ts';
import { askFor, endLease, finish, giveBack } from '../../src/metadata/sqlite/change-job.ts';
import type { JobColumns } from '../../src/metadata/sqlite/job-row.ts';
import { digest } from './support/rows.ts';

const TARGET = { rule: 'base', peer: 'us', repository: 'local/app', reference: 'v1' };

function asked(changes: Partial<NewJob> = {}): NewJob {
  return { ...TARGET, sequence: 7, sinceMs: 100, priority: 0, dueAtMs: 100, ...changes };
}

function job(changes: Partial<JobColumns> = {}): JobColumns {
  return { ...askFor(undefined, asked()), ...changes };
}

const RUNNING = { state: 'running', leased_until: 900, attempts: 2, reason: 'was slow', progress: 'half' } as const;
const DELETION = { deleted: digest('m') };

describe('a job that is asked for', () => {
  test('is pending', () => {
    expect(askFor(undefined, asked({ sizeBytes: 5 }))).toEqual({
      ...TARGET,
      sequence: 7,
      since: 100,
      priority: 0,
      deleted: null,
      due_at: 100,
      size_bytes: 5,
      state: 'pending',
      attempts: 0,
      reason: null,
      progress: null,
      leased_until: null,
      next_since: null,
      next_due_at: null,
    });
  });

  test.each<[what: string, old: Partial<JobColumns>, asked: Partial<NewJob>, expected: Partial<JobColumns>]>([
    ['keeps the older time', {}, { sinceMs: 200, sequence: 9 }, { since: 100, sequence: 9 }],
    ['takes an older time', {}, { sinceMs: 50, sequence: 0 }, { since: 50, sequence: 7 }],
    [
      'takes the new priority and size',
      { size_bytes: 1 },
      { priority: 3, sizeBytes: 2 },
      { priority: 3, size_bytes: 2 },
    ],
    ['keeps a size that is not told', { size_bytes: 1 }, {}, { size_bytes: 1 }],
    ['is due as early as either says', { due_at: 500 }, { dueAtMs: 300 }, { due_at: 300 }],
    ['is due no later than it was', { due_at: 300 }, { dueAtMs: 500 }, { due_at: 300 }],
    [
      'as a deletion now, waits as long as that has to',
      { due_at: 100, size_bytes: 1 },
      { ...DELETION, sinceMs: 700, dueAtMs: 800 },
      { deleted: digest('m'), since: 700, due_at: 800, size_bytes: null },
    ],
    [
      'as a copy now, is due at once, and late since then',
      { ...DELETION, due_at: 800 },
      { sinceMs: 200, dueAtMs: 200 },
      { deleted: null, since: 200, due_at: 200 },
    ],
    [
      'as the same deletion, keeps its time',
      { ...DELETION, due_at: 400 },
      { ...DELETION, dueAtMs: 800 },
      { due_at: 400 },
    ],
    [
      'when parked, is tried again and goes on where it was',
      { state: 'parked', attempts: 5, reason: 'DENIED', progress: 'half' },
      {},
      { state: 'pending', attempts: 0, reason: null, progress: 'half' },
    ],
    ['when held, is pending', { state: 'held', reason: 'many' }, {}, { state: 'pending', reason: null }],
    ['when waiting, is pending', { state: 'waiting', attempts: 4 }, {}, { state: 'pending', attempts: 0 }],
  ])('anew %s', (_, old, wanted, expected) => {
    expect(askFor(job(old), asked(wanted))).toEqual({ ...job(old), ...expected });
  });

  test('while it runs goes on to run, and knows what comes next', () => {
    const first = askFor(job(RUNNING), asked({ sequence: 9, sinceMs: 300, dueAtMs: 310 }));
    expect(first).toEqual({ ...job(RUNNING), sequence: 9, next_since: 300, next_due_at: 310 });
    const second = askFor(first, asked({ sequence: 8, sinceMs: 200, dueAtMs: 320 }));
    expect(second).toEqual({ ...job(RUNNING), sequence: 9, next_since: 200, next_due_at: 310 });
    const third = askFor(second, asked({ ...DELETION, sequence: 10, sinceMs: 400, dueAtMs: 800 }));
    expect(third).toMatchObject({ deleted: digest('m'), next_since: 400, next_due_at: 800, state: 'running' });
  });
});

describe('a running job', () => {
  const wantedAnew = { ...RUNNING, next_since: 300, next_due_at: 310 };
  const anew = { state: 'pending', attempts: 0, reason: null, leased_until: null, next_since: null, next_due_at: null };

  test('that is done is over, or begins anew for those who asked meanwhile', () => {
    expect(finish(job(RUNNING))).toBe(undefined);
    expect(finish(job(wantedAnew))).toEqual({ ...job(), ...anew, since: 300, due_at: 310, progress: null });
  });

  test('that is not done goes on as was said, or at once for those who asked meanwhile', () => {
    const how = { state: 'parked', dueAtMs: 700, attempts: 3, reason: 'DENIED' } as const;
    expect(giveBack(job(RUNNING), how)).toEqual({
      ...job(RUNNING),
      state: 'parked',
      due_at: 700,
      attempts: 3,
      reason: 'DENIED',
      leased_until: null,
    });
    expect(giveBack(job(wantedAnew), how)).toEqual({ ...job(), ...anew, since: 100, due_at: 310, progress: 'half' });
  });

  test('that nobody runs any more is pending as it was, or as those who asked meanwhile want it', () => {
    expect(endLease(job(RUNNING))).toEqual({ ...job(RUNNING), state: 'pending', leased_until: null });
    expect(endLease(job(wantedAnew))).toEqual({ ...job(), ...anew, since: 100, due_at: 310, progress: 'half' });
  });
});
