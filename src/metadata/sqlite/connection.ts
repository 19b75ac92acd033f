import type { Database, Statement } from 'better-sqlite3';
import { openDatabase } from './open-database.ts';
import { translated } from './translate-error.ts';

/** What a statement takes: values by position, or an object of named ones. */
type Bound<Parameters> = Parameters extends unknown[] ? Parameters : [Parameters];

/** The open database, for those who run statements on it. Its errors are MetadataErrors. */
export class Connection {
  readonly file: string;
  readonly database: Database;

  /** @throws MetadataError see {@link openDatabase} */
  constructor(file: string) {
    this.file = file;
    this.database = openDatabase(file);
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

  /** One transaction; what it wrote survives a power cut. */
  write<Value>(work: () => Value): Value {
    return this.run(() => this.database.transaction(work).immediate());
  }

  /**
   * One transaction that does not wait for the disk: a power cut may take it back, which is only for what can be done
   * or found out anew.
   */
  writeLazily<Value>(work: () => Value): Value {
    return this.run(() => {
      this.database.pragma('synchronous = NORMAL');
      try {
        return this.database.transaction(work).immediate();
      } finally {
        this.database.pragma('synchronous = FULL');
      }
    });
  }

  #prepare(sql: string): Statement {
    return this.run(() => this.database.prepare(sql));
  }
}
