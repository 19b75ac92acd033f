import type { JobRecord, JobReturn, JobTarget, NewJob, ReplicationJob } from '../replication-index.ts';
import { askFor, endLease, finish, giveBack } from './change-job.ts';
import type { Connection } from './connection.ts';
import type { JobRecords } from './job-records.ts';
import { replicationJob, type JobColumns, type JobRow } from './job-row.ts';

interface LeaseQuery {
  readonly peer: string;
  readonly except: readonly string[];
  readonly nowMs: number;
  readonly untilMs: number;
  readonly limit: number;
  readonly longestDueFirst?: boolean;
}

/** Jobs of one rule that are seen to be due at once: some 5 ms. */
const BATCH = 500;

/** Jobs of replication, for those who ask for them and those who do them. */
export class Jobs {
  readonly #connection: Connection;
  readonly #records: JobRecords;
  readonly #statements;

  constructor(connection: Connection, records: JobRecords) {
    this.#connection = connection;
    this.#records = records;
    const names = `sequence, since, priority, deleted, due_at, size_bytes, state, attempts, reason, progress, leased_until,
      next_since, next_due_at, is_due`;
    const values = names.replaceAll(/\w+/g, ':$&');
    this.#statements = {
      find: connection.prepare<[id: number], JobRow>('SELECT * FROM replication_job WHERE id = ?'),
      findTarget: connection.prepare<JobTarget, JobRow>(`
        SELECT * FROM replication_job
        WHERE rule = :rule AND peer = :peer AND repository = :repository AND reference = :reference`),
      add: connection.prepare<JobColumns & { is_due: number | null }>(`
        INSERT INTO replication_job (rule, peer, repository, reference, ${names})
        VALUES (:rule, :peer, :repository, :reference, ${values})`),
      set: connection.prepare<JobRow & { is_due: number | null }>(
        `UPDATE replication_job SET (${names}) = (${values}) WHERE id = :id`,
      ),
      remove: connection.prepare<[id: number]>('DELETE FROM replication_job WHERE id = ?'),
      overdue: connection.prepare<{ peer: string; nowMs: number }, JobRow>(`
        SELECT * FROM replication_job INDEXED BY replication_job_by_lease
        WHERE peer = :peer AND state = 'running' AND leased_until <= :nowMs`),
      running: connection.prepare<[], JobRow>("SELECT * FROM replication_job WHERE state = 'running'"),
      rules: connection.pluck<{ peer: string; except: string }, string>(`
        SELECT DISTINCT rule FROM replication_job_count
        WHERE peer = :peer AND jobs > 0 AND rule NOT IN (SELECT value FROM json_each(:except))`),
      seeDue: connection.prepare<{ peer: string; rule: string; nowMs: number; limit: number }>(`
        UPDATE replication_job SET is_due = 1 WHERE id IN (
          SELECT id FROM replication_job INDEXED BY replication_job_by_due
          WHERE peer = :peer AND rule = :rule AND is_due = 0 AND due_at <= :nowMs ORDER BY due_at LIMIT :limit)`),
      due: connection.prepare<{ peer: string; rule: string; nowMs: number; limit: number }, JobRow>(`
        SELECT * FROM replication_job INDEXED BY replication_job_by_turn
        WHERE peer = :peer AND rule = :rule AND is_due = 1 AND due_at <= :nowMs
        ORDER BY priority DESC, since, id LIMIT :limit`),
      longestDue: connection.prepare<{ peer: string; rule: string; nowMs: number; limit: number }, JobRow>(`
        SELECT * FROM replication_job INDEXED BY replication_job_by_due
        WHERE peer = :peer AND rule = :rule AND is_due = 1 AND due_at <= :nowMs
        ORDER BY due_at LIMIT :limit`),
      renew: connection.prepare<[untilMs: number, id: number]>(
        "UPDATE replication_job SET leased_until = ? WHERE id = ? AND state = 'running'",
      ),
      saveProgress: connection.prepare<[progress: string | null, id: number]>(
        'UPDATE replication_job SET progress = ? WHERE id = ?',
      ),
    };
  }

  enqueue(jobs: readonly NewJob[]): void {
    this.#connection.writeLazily(() => {
      for (const asked of jobs) {
        const { rule, peer, repository, reference } = asked;
        const job = this.#statements.findTarget.get({ rule, peer, repository, reference });
        this.#put(job?.id, askFor(job, asked));
      }
    });
  }

  lease(query: LeaseQuery): ReplicationJob[] {
    const { peer, except, nowMs, untilMs, limit, longestDueFirst = false } = query;
    return this.#connection.writeLazily(() => {
      for (const job of this.#statements.overdue.all({ peer, nowMs })) this.#put(job.id, endLease(job));
      const rules = this.#statements.rules.all({ peer, except: JSON.stringify(except) });
      const due = rules.flatMap((rule) => this.#dueOf({ peer, rule, nowMs, limit }, longestDueFirst));
      const taken = due.toSorted((a, b) =>
        longestDueFirst ? a.due_at - b.due_at : b.priority - a.priority || a.since - b.since || a.id - b.id,
      );
      return taken.slice(0, limit).map((job) => {
        const leased = { ...job, state: 'running', leased_until: untilMs } as const;
        this.#put(job.id, leased);
        return replicationJob(leased);
      });
    });
  }

  /** @returns false if it is leased no more */
  renew(id: number, untilMs: number): boolean {
    return this.#connection.writeLazily(() => this.#statements.renew.run(untilMs, id).changes > 0);
  }

  saveProgress(id: number, progress: string | undefined): void {
    this.#connection.write(() => this.#statements.saveProgress.run(progress ?? null, id));
  }

  finish(id: number, record: JobRecord): void {
    this.#connection.writeLazily(() => {
      this.#records.add(record);
      const job = this.#running(id);
      const left = job && finish(job);
      if (left) this.#put(id, left);
      else if (job) this.#statements.remove.run(id);
    });
  }

  giveBack(id: number, how: JobReturn, record: JobRecord | undefined): void {
    this.#connection.writeLazily(() => {
      if (record) this.#records.add(record);
      const job = this.#running(id);
      if (job) this.#put(id, giveBack(job, how));
    });
  }

  /** In a transaction: nobody runs what was running. */
  endLeases(): void {
    for (const job of this.#statements.running.all()) this.#put(job.id, endLease(job));
  }

  /** One whose lease is over waits for its turn, or is somebody else's: it is done anew, and found to be done. */
  #running(id: number): JobRow | undefined {
    const job = this.#statements.find.get(id);
    return job?.state === 'running' ? job : undefined;
  }

  #dueOf(query: { peer: string; rule: string; nowMs: number; limit: number }, longestDueFirst: boolean): JobRow[] {
    this.#statements.seeDue.run({ ...query, limit: Math.max(BATCH, query.limit) });
    return (longestDueFirst ? this.#statements.longestDue : this.#statements.due).all(query);
  }

  #put(id: number | undefined, job: JobColumns): void {
    const isLeasable = job.state === 'pending' || job.state === 'waiting';
    const row = { ...job, is_due: isLeasable ? Number(job.due_at <= Date.now()) : null };
    if (id === undefined) this.#statements.add.run(row);
    else this.#statements.set.run({ ...row, id });
  }
}
