import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { UNNEEDED } from './ids.ts';

/** Rows looked at before others have their turn: some 2 ms. */
const STEP = 500;

/**
 * Removes rows of content that nothing needs: digests that manifests named which are gone. Foreign keys, and removing all
 * else together with what it stands for, leave nothing else behind.
 */
export class Sweep {
  readonly #connection: Connection;
  readonly #statements;
  /** All before are looked at. */
  #after = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      stepEnd: connection.pluck<{ after: number; step: number }, number | null>(
        'SELECT max(id) FROM (SELECT id FROM content WHERE id > :after ORDER BY id LIMIT :step)',
      ),
      unneeded: connection.pluck<{ after: number; last: number; limit: number }, number>(`
        SELECT c.id FROM content c WHERE c.id > :after AND c.id <= :last AND ${UNNEEDED} ORDER BY c.id LIMIT :limit`),
      remove: connection.prepare<[id: number]>('DELETE FROM content WHERE id = ?'),
    };
  }

  /** Goes on where the last call has reached its limit. @returns how many went */
  async sweep(limit: number): Promise<number> {
    let removed = 0;
    while (removed < limit) {
      const last = this.#connection.run(() => this.#statements.stepEnd.get({ after: this.#after, step: STEP }));
      if (typeof last !== 'number') {
        this.#after = 0;
        return removed;
      }
      removed += this.#step(last, limit - removed);
      await nextTurn();
    }
    return removed;
  }

  #step(last: number, limit: number): number {
    const ids = this.#connection.run(() => this.#statements.unneeded.all({ after: this.#after, last, limit }));
    if (ids.length > 0) {
      this.#connection.writeLazily(() => {
        for (const id of ids) this.#statements.remove.run(id);
      });
    }
    this.#after = ids.length === limit ? (ids.at(-1) ?? last) : last;
    return ids.length;
  }
}
