import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import type { TagClocks } from './tag-clocks.ts';

/** Rows looked at before others have their turn: some 2 ms. */
const STEP = 500;

/**
 * Removes old tombstones, and rows of content that nothing needs any more: no bytes, in no repository, named by no
 * manifest. Whatever else goes, goes at once, with what it stands for. The digests of thousands of evicted images lie all
 * over a large index: by going through it in their order, each of its pages is written once.
 */
export class Sweep {
  readonly #connection: Connection;
  readonly #clocks: TagClocks;
  readonly #statements;
  /** The digest up to which all is looked at. */
  #after = '';

  constructor(connection: Connection, clocks: TagClocks) {
    this.#connection = connection;
    this.#clocks = clocks;
    this.#statements = {
      stepEnd: connection.pluck<{ after: string; step: number }, string | null>(
        'SELECT max(digest) FROM (SELECT digest FROM content WHERE digest > :after ORDER BY digest LIMIT :step)',
      ),
      unneeded: connection.prepare<{ after: string; last: string; limit: number }, { id: number; digest: string }>(`
        SELECT id, digest FROM content c WHERE digest > :after AND digest <= :last
          AND NOT EXISTS (SELECT 1 FROM repository_content rc WHERE rc.content_id = c.id)
          AND NOT EXISTS (SELECT 1 FROM reference f WHERE f.content_id = c.id)
          AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.content_id = c.id)
          AND NOT EXISTS (SELECT 1 FROM doomed d WHERE d.content_id = c.id)
        ORDER BY digest LIMIT :limit`),
      remove: connection.prepare<[id: number]>('DELETE FROM content WHERE id = ?'),
    };
  }

  /** Goes on where the last call has reached its limit. @returns how many went */
  async sweep(limit: number): Promise<number> {
    let removed = this.#clocks.sweep(limit);
    while (removed < limit) {
      const last = this.#connection.run(() => this.#statements.stepEnd.get({ after: this.#after, step: STEP }));
      if (typeof last !== 'string') {
        this.#after = '';
        return removed;
      }
      removed += this.#step(last, limit - removed);
      await nextTurn();
    }
    return removed;
  }

  #step(last: string, limit: number): number {
    const rows = this.#connection.run(() => this.#statements.unneeded.all({ after: this.#after, last, limit }));
    if (rows.length > 0) {
      this.#connection.writeLazily(() => {
        for (const { id } of rows) this.#statements.remove.run(id);
      });
    }
    this.#after = rows.length === limit ? (rows.at(-1)?.digest ?? last) : last;
    return rows.length;
  }
}
