import type { JobRecord, NewJob } from '../../../src/metadata/replication-index.ts';
import { digest } from './rows.ts';

export const TARGET = { rule: 'base', peer: 'us', repository: 'local/app', reference: 'v1' };

/** A job that is due, unless the changes say otherwise. */
export function job(changes: Partial<NewJob> = {}): NewJob {
  return { ...TARGET, sequence: 1, sinceMs: 100, priority: 0, dueAtMs: 100, ...changes };
}

/** A try that took 10 ms. */
export function record(changes: Partial<JobRecord> = {}): JobRecord {
  return {
    ...TARGET,
    digest: digest('m'),
    outcome: 'copied',
    startedAtMs: 1000,
    durationMs: 10,
    sentBytes: 5,
    error: undefined,
    ...changes,
  };
}
