import Database, { type Statement } from 'better-sqlite3';
import { openDatabase } from './open-database.ts';
import { translated } from './translate-error.ts';

/** What a statement takes: values by position, or an object of named ones. */
type Bound<Parameters> = Parameters extends unknown[] ? Parameters : [Parameters];

/** The open database, for those who run statements on it. Its errors are MetadataErrors. */
export class Connection {
  readonly file: string;
  readonly database: Database.Database;
  /** How large the write-ahead log may become. */
  readonly logBytes: number;

  /** @throws MetadataError see {@link openDatabase} */
  constructor(file: string, logBytes: number) {
    this.file = file;
    this.logBytes = logBytes;
    this.database = openDatabase(file, logBytes);
  }

  prepare<Parameters extends unknown[] | object, Row = unknown>(sql: string): Statement<Bound<Parameters>, Row> {
    return this.#prepare(sql) as unknown as Statement<Bound<Parameters>, Row>;
  }

  /** A statement whose rows are their first column. */
  pluck<Parameters extends unknown[] | object, Value>(sql: string): Statement<Bound<Parameters>, Value> {
    return this.#prepare(sql).pluck() as unknown as Statement<Bound<Parameters>, Value>;
  }

  run<Value>(work: () => Value): Value {
    return translated(this.file, work);
  }

  /** One transaction; what it wrote survives a power cut. @param work may be called a second time, when nothing is done */
  write<Value>(work: () => Value): Value {
    return this.run(() => this.#transact(work));
  }

  /**
   * One transaction that does not wait for the disk: a power cut may take it back, which is only for what can be done
   * or found out anew.
   */
  writeLazily<Value>(work: () => Value): Value {
    return this.run(() => {
      this.database.pragma('synchronous = NORMAL');
      try {
        return this.#transact(work);
      } finally {
        this.database.pragma('synchronous = FULL');
      }
    });
  }

  /** On a full disk the log may have to begin anew first: it then needs no space but what it has. */
  #transact<Value>(work: () => Value): Value {
    const transaction = this.database.transaction(work);
    try {
      return transaction.immediate();
    } catch (error) {
      if (!isFull(error) || !this.#restartLog()) throw error;
      return transaction.immediate();
    }
  }

  /** @returns false if the database has no space for what is in its log */
  #restartLog(): boolean {
    try {
      this.database.pragma('wal_checkpoint(RESTART)');
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
  }

  #prepare(sql: string): Statement {
    return this.run(() => this.database.prepare(sql));
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_FULL');
}
