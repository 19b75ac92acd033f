import type { JobReturn, NewJob } from '../replication-index.ts';
import type { JobColumns } from './job-row.ts';

/** It has just been asked for. */
const ANEW = {
  state: 'pending',
  attempts: 0,
  reason: null,
  leased_until: null,
  next_since: null,
  next_due_at: null,
} as const;

/** A job that is asked for. @param job what is there already for the same target */
export function askFor(job: JobColumns | undefined, asked: NewJob): JobColumns {
  const { rule, peer, repository, reference, priority } = asked;
  const wanted = { rule, peer, repository, reference, priority, deleted: asked.deleted ?? null };
  const { sequence, sinceMs: since, dueAtMs: due_at, sizeBytes: size_bytes = null } = asked;
  if (!job) return { ...wanted, ...ANEW, sequence, since, due_at, size_bytes, progress: null };
  const isSameSort = (job.deleted === null) === (asked.deleted === undefined);
  const changed = {
    ...job,
    ...wanted,
    sequence: Math.max(job.sequence, sequence),
    size_bytes: size_bytes ?? (isSameSort ? job.size_bytes : null),
  };
  if (job.state !== 'running') {
    return {
      ...changed,
      ...ANEW,
      // A deletion in its time of grace is not late yet, and what it is to take is not awaited any more.
      since: isSameSort ? Math.min(job.since, since) : since,
      due_at: isSameSort ? Math.min(job.due_at, due_at) : due_at,
    };
  }
  // What runs serves those who asked before; whether it serves this one too nobody knows.
  return {
    ...changed,
    next_since: isSameSort ? Math.min(job.next_since ?? since, since) : since,
    next_due_at: isSameSort ? Math.min(job.next_due_at ?? due_at, due_at) : due_at,
  };
}

/** What remains of a running job that is done; undefined: nothing. */
export function finish(job: JobColumns): JobColumns | undefined {
  if (job.next_since === null) return undefined;
  return { ...job, ...ANEW, since: job.next_since, due_at: job.next_due_at ?? job.due_at, progress: null };
}

/** A running job that is not done. */
export function giveBack(job: JobColumns, { state, dueAtMs, attempts, reason }: JobReturn): JobColumns {
  if (job.next_since !== null) return endLease(job);
  return { ...job, state, due_at: dueAtMs, attempts, reason: reason ?? null, leased_until: null };
}

/** A running job that nobody runs any more. */
export function endLease(job: JobColumns): JobColumns {
  if (job.next_since === null) return { ...job, state: 'pending', leased_until: null };
  return {
    ...job,
    ...ANEW,
    since: Math.min(job.since, job.next_since),
    due_at: job.next_due_at ?? job.due_at,
  };
}
