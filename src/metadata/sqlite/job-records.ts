import type { JobRecord } from '../replication-index.ts';
import type { Connection } from './connection.ts';

interface RecordColumns {
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  readonly reference: string;
  readonly digest: string | null;
  readonly outcome: string;
  readonly started_at: number;
  readonly duration_ms: number;
  readonly sent_bytes: number;
  readonly error: string | null;
}

interface RecordsQuery {
  readonly rule?: string;
  readonly peer?: string;
  readonly before?: number;
  readonly outcome?: string;
  readonly sinceMs?: number;
  readonly limit: number;
}

/** So many are kept, the newest. */
const LIMIT = 10_000;
/** Those beyond are removed when so many have come. */
const TRIM_EVERY = 100;

/** Tries of jobs that ended. */
export class JobRecords {
  readonly #connection: Connection;
  readonly #statements;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      add: connection.prepare<RecordColumns>(`
        INSERT INTO replication_record (rule, peer, repository, reference, digest, outcome, started_at, duration_ms,
          sent_bytes, error)
        VALUES (:rule, :peer, :repository, :reference, :digest, :outcome, :started_at, :duration_ms, :sent_bytes, :error)`),
      trim: connection.prepare<[upTo: number]>('DELETE FROM replication_record WHERE id <= ?'),
      list: connection.prepare<
        {
          rule: string | null;
          peer: string | null;
          before: number;
          outcome: string | null;
          sinceMs: number | null;
          limit: number;
        },
        RecordColumns & { id: number }
      >(`
        SELECT * FROM replication_record
        WHERE id < :before AND rule = coalesce(:rule, rule) AND peer = coalesce(:peer, peer)
          AND outcome = coalesce(:outcome, outcome) AND started_at + duration_ms >= coalesce(:sinceMs, 0)
        ORDER BY id DESC LIMIT :limit`),
    };
  }

  /** In a transaction. */
  add(record: JobRecord): void {
    const { rule, peer, repository, reference, outcome } = record;
    const { lastInsertRowid } = this.#statements.add.run({
      rule,
      peer,
      repository,
      reference,
      digest: record.digest ?? null,
      outcome,
      started_at: record.startedAtMs,
      duration_ms: record.durationMs,
      sent_bytes: record.sentBytes,
      error: record.error ?? null,
    });
    const id = Number(lastInsertRowid);
    if (id % TRIM_EVERY === 0) this.#statements.trim.run(id - LIMIT);
  }

  list(query: RecordsQuery): (JobRecord & { id: number })[] {
    const { rule = null, peer = null, before = Number.MAX_SAFE_INTEGER, outcome = null, sinceMs = null } = query;
    const found = { rule, peer, before, outcome, sinceMs, limit: query.limit };
    return this.#connection.run(() => this.#statements.list.all(found)).map(jobRecord);
  }
}

function jobRecord(row: RecordColumns & { id: number }): JobRecord & { id: number } {
  const { id, rule, peer, repository, reference, outcome } = row;
  return {
    id,
    rule,
    peer,
    repository,
    reference,
    digest: row.digest ?? undefined,
    outcome,
    startedAtMs: row.started_at,
    durationMs: row.duration_ms,
    sentBytes: row.sent_bytes,
    error: row.error ?? undefined,
  };
}
