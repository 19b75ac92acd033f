import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Cause, RegistryEvent } from '../event-index.ts';
import type { Connection } from './connection.ts';
import { eventColumns, registryEvent, type EventColumns } from './event-row.ts';

/** What happens, before it has a number. */
export type NewEvent = Pick<RegistryEvent, 'atMs' | 'kind' | 'repository' | 'digest'> &
  Partial<Pick<RegistryEvent, 'tag' | 'mediaType' | 'sizeBytes' | 'previous'>>;

/** Of what no client did. */
export const NOBODY: Cause = { actor: undefined };

/** Restored at once: some 5 ms. */
const BATCH = 1_000;

/** The event log. */
export class Events {
  readonly #connection: Connection;
  readonly #listeners = new Set<() => void>();
  #call: NodeJS.Immediate | undefined;
  readonly #statements;

  constructor(connection: Connection) {
    this.#connection = connection;
    const insert = (sequence: string) => `
      INSERT INTO event (sequence, at, kind, repository, digest, tag, media_type, size_bytes, previous, actor,
        origin_site, origin_sequence)
      VALUES (${sequence}, :at, :kind, :repository, :digest, :tag, :media_type, :size_bytes, :previous, :actor,
        :origin_site, :origin_sequence)`;
    this.#statements = {
      add: connection.prepare<EventColumns>(insert('NULL')),
      restore: connection.prepare<EventColumns>(insert(':sequence')),
      after: connection.prepare<[after: number, limit: number], EventColumns>(
        'SELECT * FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?',
      ),
      last: connection.pluck<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'event'"),
      trim: connection.prepare<{ beforeMs: number; limit: number }>(`
        WITH oldest AS MATERIALIZED (SELECT sequence, at FROM event ORDER BY sequence LIMIT :limit)
        DELETE FROM event WHERE sequence < coalesce(
          (SELECT min(sequence) FROM oldest WHERE at >= :beforeMs), (SELECT max(sequence) + 1 FROM oldest))`),
      removeAll: connection.prepare<[]>('DELETE FROM event'),
      forgetLast: connection.prepare<[]>("DELETE FROM sqlite_sequence WHERE name = 'event'"),
      setLast: connection.prepare<[last: number]>("INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?)"),
    };
  }

  /** In a transaction. @returns its number */
  add(event: NewEvent, { actor, origin }: Cause): number {
    const { tag, mediaType, sizeBytes, previous } = event;
    const { lastInsertRowid } = this.#statements.add.run(
      eventColumns({ ...event, sequence: 0, tag, mediaType, sizeBytes, previous, actor, origin }),
    );
    this.#callSoon();
    return Number(lastInsertRowid);
  }

  read(after: number, limit: number): RegistryEvent[] {
    return this.#connection.run(() => this.#statements.after.all(after, limit)).map(registryEvent);
  }

  last(): number {
    return this.#connection.run(() => this.#statements.last.get()) ?? 0;
  }

  /** Forgets a beginning of the log that is all older than that. @returns how many went */
  trim(beforeMs: number, limit: number): number {
    return this.#connection.writeLazily(() => this.#statements.trim.run({ beforeMs, limit }).changes);
  }

  /** Puts another log in the place of this one. */
  async restore(events: readonly RegistryEvent[], last: number): Promise<void> {
    this.#connection.write(() => this.#statements.removeAll.run());
    for (let start = 0; start < events.length; start += BATCH) {
      this.#connection.writeLazily(() => {
        for (const event of events.slice(start, start + BATCH)) this.#statements.restore.run(eventColumns(event));
      });
      await nextTurn();
    }
    this.#connection.write(() => {
      this.#statements.forgetLast.run();
      this.#statements.setLast.run(Math.max(last, events.at(-1)?.sequence ?? 0));
    });
  }

  listen(listener: () => void): Disposable {
    // The same function may be given twice.
    const own = () => listener();
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => this.#listeners.delete(own) };
  }

  stop(): void {
    clearImmediate(this.#call);
    this.#listeners.clear();
  }

  /** In the next turn: the transaction is over by then. */
  #callSoon(): void {
    if (this.#listeners.size === 0) return;
    this.#call ??= setImmediate(() => {
      this.#call = undefined;
      for (const listener of this.#listeners) listener();
    });
  }
}
