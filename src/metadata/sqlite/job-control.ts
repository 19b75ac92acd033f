import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobCount, JobState, ReplicationJob } from '../replication-index.ts';
import type { Connection } from './connection.ts';
import { replicationJob, type JobRow } from './job-row.ts';
import type { Jobs } from './jobs.ts';

interface JobsQuery {
  readonly rule?: string;
  readonly peer?: string;
  readonly state?: JobState;
  readonly after?: number;
  readonly limit: number;
}

interface RetryQuery {
  readonly rule?: string;
  readonly peer?: string;
  readonly id?: number;
  readonly states: readonly JobState[];
}

/** Jobs whose numbers are above the one and up to the other. */
interface Range {
  readonly after: number;
  readonly upTo: number;
}

/** Jobs that are changed before others have their turn: some 5 ms. */
const STEP = 500;

type CountRow = Omit<JobCount, 'isDeletion'> & { readonly isDeletion: number };

/** Jobs of replication, for those who look at them and look after them. */
export class JobControl {
  readonly #connection: Connection;
  readonly #jobs: Jobs;
  readonly #statements;

  constructor(connection: Connection, jobs: Jobs) {
    this.#connection = connection;
    this.#jobs = jobs;
    this.#statements = {
      counts: connection.prepare<[], CountRow>(`
        SELECT c.rule, c.peer, c.state, c.is_deletion AS isDeletion, c.jobs, c.size_bytes AS sizeBytes, (
          SELECT min(j.since) FROM replication_job j INDEXED BY replication_job_by_state
          WHERE j.rule = c.rule AND j.peer = c.peer AND j.state = c.state AND j.is_deletion = c.is_deletion
        ) AS sinceMs
        FROM replication_job_count c WHERE c.jobs > 0 ORDER BY c.rule, c.peer, c.state, c.is_deletion`),
      list: connection.prepare<
        { rule: string | null; peer: string | null; state: JobState | null; after: number; limit: number },
        JobRow
      >(`
        SELECT * FROM replication_job NOT INDEXED
        WHERE id > :after AND rule = coalesce(:rule, rule) AND peer = coalesce(:peer, peer)
          AND state = coalesce(:state, state)
        ORDER BY id LIMIT :limit`),
      nextDue: connection.pluck<{ peer: string; except: string }, number | null>(`
        WITH own AS MATERIALIZED (
          SELECT DISTINCT rule FROM replication_job_count
          WHERE peer = :peer AND jobs > 0 AND rule NOT IN (SELECT value FROM json_each(:except)))
        SELECT min(at) FROM (
          SELECT (SELECT min(due_at) FROM replication_job INDEXED BY replication_job_by_due
            WHERE peer = :peer AND rule = own.rule AND is_due = 0) AS at FROM own
          UNION ALL
          SELECT (SELECT min(due_at) FROM replication_job INDEXED BY replication_job_by_due
            WHERE peer = :peer AND rule = own.rule AND is_due = 1) FROM own
          UNION ALL
          SELECT min(leased_until) FROM replication_job INDEXED BY replication_job_by_lease
            WHERE peer = :peer AND state = 'running' AND rule IN (SELECT rule FROM own))`),
      // Due since it was asked for: whatever the clock says.
      retry: connection.prepare<
        Range & { rule: string | null; peer: string | null; id: number | null; states: string }
      >(`
        UPDATE replication_job NOT INDEXED
        SET state = 'pending', attempts = 0, reason = NULL, due_at = min(due_at, since), is_due = 1
        WHERE id > :after AND id <= :upTo AND id = coalesce(:id, id) AND rule = coalesce(:rule, rule)
          AND peer = coalesce(:peer, peer) AND state IN (SELECT value FROM json_each(:states)) AND state <> 'running'`),
      prune: connection.prepare<Range & { links: string }>(`
        DELETE FROM replication_job NOT INDEXED WHERE id > :after AND id <= :upTo AND (rule, peer) NOT IN (
          SELECT value ->> 'rule', value ->> 'peer' FROM json_each(:links))`),
      stepEnd: connection.pluck<{ after: number; step: number }, number | null>(
        'SELECT max(id) FROM (SELECT id FROM replication_job WHERE id > :after ORDER BY id LIMIT :step)',
      ),
      removeCounts: connection.prepare<[]>('DELETE FROM replication_job_count WHERE jobs = 0'),
    };
  }

  counts(): JobCount[] {
    const rows = this.#connection.run(() => this.#statements.counts.all());
    return rows.map((row) => Object.assign(row, { isDeletion: row.isDeletion === 1 }));
  }

  list(query: JobsQuery): ReplicationJob[] {
    const { rule = null, peer = null, state = null, after = 0, limit } = query;
    const found = { rule, peer, state, after, limit };
    return this.#connection.run(() => this.#statements.list.all(found)).map(replicationJob);
  }

  nextDue(peer: string, except: readonly string[]): number | undefined {
    const query = { peer, except: JSON.stringify(except) };
    return this.#connection.run(() => this.#statements.nextDue.get(query)) ?? undefined;
  }

  async retry(query: RetryQuery): Promise<number> {
    const { rule = null, peer = null, id = null, states } = query;
    const found = { rule, peer, id, states: JSON.stringify(states) };
    return this.#inSteps((range) => this.#statements.retry.run({ ...found, ...range }).changes);
  }

  async prune(links: readonly { readonly rule: string; readonly peer: string }[]): Promise<number> {
    const named = JSON.stringify(links.map(({ rule, peer }) => ({ rule, peer })));
    this.#connection.writeLazily(() => this.#jobs.endLeases());
    const removed = await this.#inSteps((range) => this.#statements.prune.run({ links: named, ...range }).changes);
    this.#connection.writeLazily(() => this.#statements.removeCounts.run());
    return removed;
  }

  /** @returns the sum of what the work returns */
  async #inSteps(work: (range: Range) => number): Promise<number> {
    let [after, sum] = [0, 0];
    for (;;) {
      const upTo = this.#connection.run(() => this.#statements.stepEnd.get({ after, step: STEP }));
      if (typeof upTo !== 'number') return sum;
      const range = { after, upTo };
      sum += this.#connection.writeLazily(() => work(range));
      after = upTo;
      await nextTurn();
    }
  }
}
