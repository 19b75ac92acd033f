import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { MetadataError } from '../metadata-error.ts';
import { translated } from './translate-error.ts';

/** A process that is ending has this long to let go of the file. */
const BUSY_MS = 500;

/** A database that may be damaged, read as far as it goes. It is not changed. */
export class DamagedDatabase implements Disposable {
  readonly #database: Database.Database;
  /** What could not be read: sentences for the operator. */
  readonly problems: string[] = [];

  /** @throws MetadataError if there is no such file, or another process has it open */
  constructor(file: string) {
    if (!existsSync(file)) throw new MetadataError('INDEX_FAILED', `${file} does not exist`);
    this.#database = translated(file, () => new Database(file, { readonly: true, timeout: BUSY_MS }));
    translated(file, () => {
      // Only with both does SQLite read a file that is shorter than it should be.
      this.#database.unsafeMode(true);
      this.#database.pragma('writable_schema = ON');
      this.#database.pragma('cell_size_check = ON');
      this.#refuseInUse();
    });
  }

  /** Does the table have this column? */
  hasColumn(table: string, column: string): boolean {
    const columns = this.#attempt(() => this.#database.pragma(`table_info(${table})`) as { name: string }[]);
    return columns?.some(({ name }) => name === column) ?? false;
  }

  /**
   * The rows of a query in the order of `key`, which must be that of the table or index it names; if reading breaks off,
   * the others from the end backwards, and a problem.
   */
  *rows<Row extends object>(
    what: string,
    query: string,
    key: readonly (keyof Row & string)[],
  ): Generator<Row, boolean> {
    let last: string | undefined;
    let [fromStart, fromEnd] = [0, 0];
    const error = yield* this.#read<Row>(`${query} ORDER BY ${key.join(', ')}`, (row) => {
      last = keyOf(row, key);
      fromStart += 1;
      return true;
    });
    if (error === undefined) return true;
    yield* this.#read<Row>(`${query} ORDER BY ${key.map((column) => `${column} DESC`).join(', ')}`, (row) => {
      if (keyOf(row, key) === last) return false;
      fromEnd += 1;
      return true;
    });
    this.problems.push(`${what}: ${error} after ${fromStart} rows; ${fromEnd} more were read from the end`);
    return false;
  }

  /** Finds the first column of a row; undefined also if it cannot be read. */
  lookup(query: string): (...parameters: number[]) => unknown {
    const statement = this.#attempt(() => this.#database.prepare<number[]>(query).pluck());
    return (...parameters) => this.#attempt(() => statement?.get(...parameters));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Damage shows later, table by table. */
  #refuseInUse(): void {
    try {
      this.#database.prepare('SELECT count(*) FROM sqlite_schema').get();
    } catch (error) {
      if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_BUSY')) return;
      this.#database.close();
      throw error;
    }
  }

  /** @returns what reading ended with, if that was not the end */
  *#read<Row extends object>(query: string, take: (row: Row) => boolean): Generator<Row, string | undefined> {
    try {
      for (const row of this.#database.prepare<[], Row>(query).iterate()) {
        if (!take(row)) return undefined;
        yield row;
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      return error.message;
    }
  }

  #attempt<Value>(work: () => Value): Value | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      return undefined;
    }
  }
}

function keyOf<Row extends object>(row: Row, key: readonly (keyof Row)[]): string {
  return JSON.stringify(key.map((column) => row[column]));
}
