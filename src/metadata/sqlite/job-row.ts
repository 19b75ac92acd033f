import type { Digest } from '../../oci/digest.ts';
import type { JobState, ReplicationJob } from '../replication-index.ts';

/** A row of `replication_job`, but for its number. */
export interface JobColumns {
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  readonly reference: string;
  readonly sequence: number;
  readonly since: number;
  readonly priority: number;
  readonly deleted: Digest | null;
  readonly due_at: number;
  readonly size_bytes: number | null;
  readonly state: JobState;
  readonly attempts: number;
  readonly reason: string | null;
  readonly progress: string | null;
  readonly leased_until: number | null;
  /** Of what was asked for while it runs; null: nothing was. */
  readonly next_since: number | null;
  readonly next_due_at: number | null;
}

export type JobRow = JobColumns & { readonly id: number };

/** A row as the port has it. */
export function replicationJob(row: JobRow): ReplicationJob {
  const { id, rule, peer, repository, reference, sequence, priority, state, attempts } = row;
  return {
    id,
    rule,
    peer,
    repository,
    reference,
    sequence,
    sinceMs: row.since,
    priority,
    deleted: row.deleted ?? undefined,
    dueAtMs: row.due_at,
    sizeBytes: row.size_bytes ?? undefined,
    state,
    attempts,
    reason: row.reason ?? undefined,
    progress: row.progress ?? undefined,
  };
}
