import type { Digest } from '../../oci/digest.ts';
import type { HybridTime } from '../../util/hybrid-clock.ts';
import type { TagConflict } from '../replication-index.ts';
import type { Connection } from './connection.ts';

interface ConflictColumns {
  readonly at: number;
  readonly repository: string;
  readonly tag: string;
  readonly kept_digest: Digest;
  readonly kept_site: string;
  readonly lost_digest: Digest;
  readonly lost_site: string;
  readonly deletion: TagConflict['deletion'] | null;
}

/** So many are kept, the newest. */
const LIMIT = 1_000;

/** Tags that two sites changed at once. */
export class TagConflicts {
  readonly #connection: Connection;
  readonly #statements;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      // Not left to the unique index: a row that is refused by it would take a number.
      add: connection.prepare<ConflictColumns & { ms: number; count: number }>(`
        INSERT INTO tag_conflict (at, repository, tag, kept_digest, kept_site, lost_digest, lost_site, lost_ms,
          lost_count, deletion)
        SELECT :at, :repository, :tag, :kept_digest, :kept_site, :lost_digest, :lost_site, :ms, :count, :deletion
        WHERE NOT EXISTS (
          SELECT 1 FROM tag_conflict WHERE repository = :repository AND tag = :tag AND lost_site = :lost_site
            AND lost_ms = :ms AND lost_count = :count)`),
      trim: connection.prepare<[upTo: number]>('DELETE FROM tag_conflict WHERE id <= ?'),
      before: connection.prepare<[before: number, limit: number], ConflictColumns & { id: number }>(
        'SELECT * FROM tag_conflict WHERE id < ? ORDER BY id DESC LIMIT ?',
      ),
      count: connection.pluck<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'tag_conflict'"),
    };
  }

  /** In a transaction; each change is lost once. @param lostAt when the change was made that is lost */
  add(conflict: Omit<TagConflict, 'id'>, lostAt: HybridTime): void {
    const { atMs, repository, tag, kept, lost, deletion = null } = conflict;
    const { changes, lastInsertRowid } = this.#statements.add.run({
      at: atMs,
      repository,
      tag,
      kept_digest: kept.digest,
      kept_site: kept.site,
      lost_digest: lost.digest,
      lost_site: lost.site,
      ...lostAt,
      deletion,
    });
    if (changes > 0) this.#statements.trim.run(Number(lastInsertRowid) - LIMIT);
  }

  list({ before = Number.MAX_SAFE_INTEGER, limit }: { before?: number; limit: number }): TagConflict[] {
    return this.#connection.run(() => this.#statements.before.all(before, limit)).map(conflictOf);
  }

  count(): number {
    return this.#connection.run(() => this.#statements.count.get()) ?? 0;
  }
}

function conflictOf(row: ConflictColumns & { id: number }): TagConflict {
  return {
    id: row.id,
    atMs: row.at,
    repository: row.repository,
    tag: row.tag,
    kept: { digest: row.kept_digest, site: row.kept_site },
    lost: { digest: row.lost_digest, site: row.lost_site },
    ...(row.deletion && { deletion: row.deletion }),
  };
}
