import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import { compareTimes, tick, type HybridTime } from '../../util/hybrid-clock.ts';
import type { TagChange } from '../last-writer.ts';
import type { TagClock, TagState, TagTombstone } from '../replication-index.ts';
import type { Connection } from './connection.ts';

/** A row of `tag_clock`. */
interface ClockColumns {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest | null;
  readonly site: string;
  readonly sequence: number;
  readonly ms: number;
  readonly count: number;
  readonly base: Digest | null;
  readonly deleted_at: number | null;
}

/** The last change that is known here. */
export interface LastChange extends TagChange {
  /** What the tag points at, or pointed at before it was deleted. */
  readonly target: Digest | undefined;
}

/** Tombstones are remembered so long: a change that arrives later than that after it was made brings the tag back. */
const REMEMBERED_MS = 30 * 24 * 3_600_000;
/** Restored at once: some 5 ms. */
const BATCH = 1_000;

/** Which change of each tag was the last; all but reading happens in the transaction of the change. */
export class TagClocks {
  readonly #connection: Connection;
  readonly #site: string;
  readonly #statements;
  /** The latest time that was ever seen here. */
  #last: HybridTime;

  /** @param site this site's name */
  constructor(connection: Connection, site: string) {
    this.#connection = connection;
    this.#site = site;
    this.#statements = {
      find: connection.prepare<[repository: string, tag: string], ClockColumns>(
        'SELECT * FROM tag_clock WHERE repository = ? AND tag = ?',
      ),
      put: connection.prepare<ClockColumns>(`
        INSERT INTO tag_clock (repository, tag, digest, site, sequence, ms, count, base, deleted_at)
        VALUES (:repository, :tag, :digest, :site, :sequence, :ms, :count, :base, :deleted_at)
        ON CONFLICT DO UPDATE SET digest = :digest, site = :site, sequence = :sequence, ms = :ms, count = :count,
          base = :base, deleted_at = :deleted_at`),
      remove: connection.prepare<[repository: string, tag: string]>(
        'DELETE FROM tag_clock WHERE repository = ? AND tag = ?',
      ),
      tombstones: connection.prepare<
        { repository: string; after: string; limit: number },
        ClockColumns & { deleted_at: number; digest: Digest }
      >(`
        SELECT * FROM tag_clock INDEXED BY tombstone_by_tag
        WHERE repository = :repository AND tag > :after AND deleted_at IS NOT NULL AND digest IS NOT NULL
        ORDER BY tag LIMIT :limit`),
      // Each name is looked for behind the one before it: a repository may have any number of tombstones.
      tombstoneRepositories: connection.pluck<{ after: string; limit: number }, string>(`
        WITH RECURSIVE found(name) AS (
          SELECT min(repository) FROM tag_clock INDEXED BY tombstone_by_tag
          WHERE repository > :after AND deleted_at IS NOT NULL
          UNION ALL
          SELECT (SELECT min(repository) FROM tag_clock INDEXED BY tombstone_by_tag
            WHERE repository > found.name AND deleted_at IS NOT NULL)
          FROM found WHERE found.name IS NOT NULL LIMIT :limit)
        SELECT name FROM found WHERE name IS NOT NULL`),
      removeOld: connection.prepare<{ before: number; limit: number }>(`
        DELETE FROM tag_clock WHERE (repository, tag) IN (
          SELECT repository, tag FROM tag_clock INDEXED BY tombstone_by_age
          WHERE deleted_at < :before ORDER BY deleted_at LIMIT :limit)`),
      target: connection.pluck<[repository: string, tag: string], Digest>(`
        SELECT c.digest FROM repository r CROSS JOIN tag t CROSS JOIN content c
        WHERE r.name = ? AND t.name = ? AND t.repository_id = r.id AND c.id = t.content_id`),
      last: connection.prepare<[], HybridTime>('SELECT ms, count FROM last_clock'),
    };
    this.#last = connection.run(() => this.#statements.last.get()) ?? { ms: 0, count: 0 };
  }

  state(repository: string, tag: string): TagState | undefined {
    const row = this.#connection.run(() => this.#statements.find.get(repository, tag));
    if (!row || row.deleted_at !== null || row.digest === null) return undefined;
    return { digest: row.digest, ...this.#madeBy(row) };
  }

  tombstone(repository: string, tag: string): TagTombstone | undefined {
    const row = this.#connection.run(() => this.#statements.find.get(repository, tag));
    if (!row || row.deleted_at === null || row.digest === null) return undefined;
    return { digest: row.digest, ...this.#madeBy(row), deletedAtMs: row.deleted_at };
  }

  tombstones(query: { repository: string; after?: string; limit: number }): (TagTombstone & { tag: string })[] {
    const { repository, after = '', limit } = query;
    const rows = this.#connection.run(() => this.#statements.tombstones.all({ repository, after, limit }));
    return rows.map((row) =>
      Object.assign(this.#madeBy(row), { tag: row.tag, digest: row.digest, deletedAtMs: row.deleted_at }),
    );
  }

  tombstoneRepositories({ after = '', limit }: { after?: string; limit: number }): string[] {
    return this.#connection.run(() => this.#statements.tombstoneRepositories.all({ after, limit }));
  }

  /** Undefined: nothing is known of it. */
  find(repository: string, tag: string): LastChange | undefined {
    const row = this.#statements.find.get(repository, tag);
    if (!row) return undefined;
    const target = row.digest ?? undefined;
    const digest = row.deleted_at === null ? target : undefined;
    return { digest, target, ...this.#madeBy(row) };
  }

  /** The time of a change that is made now. */
  next(): HybridTime {
    this.#last = tick(this.#last, Date.now());
    return this.#last;
  }

  /** In a transaction. */
  put(clock: TagClock): void {
    const { ms, count } = clock.clock;
    if (compareTimes(clock.clock, this.#last) > 0) this.#last = { ms, count };
    this.#statements.put.run({
      repository: clock.repository,
      tag: clock.tag,
      digest: clock.digest ?? null,
      site: clock.site,
      sequence: clock.sequence,
      ms,
      count,
      base: clock.base ?? null,
      deleted_at: clock.deletedAtMs ?? null,
    });
  }

  /** In a transaction: the tag went without being deleted, and may come back by any change. */
  forget(repository: string, tag: string): void {
    this.#statements.remove.run(repository, tag);
  }

  /** Forgets tombstones that are old. @returns how many went */
  sweep(limit: number): number {
    const before = Date.now() - REMEMBERED_MS;
    return this.#connection.writeLazily(() => this.#statements.removeOld.run({ before, limit }).changes);
  }

  async restore(clocks: readonly TagClock[]): Promise<void> {
    for (let start = 0; start < clocks.length; start += BATCH) {
      this.#connection.writeLazily(() => {
        for (const clock of clocks.slice(start, start + BATCH)) if (this.#isTrue(clock)) this.put(clock);
      });
      await nextTurn();
    }
  }

  #isTrue({ repository, tag, digest, deletedAtMs }: TagClock): boolean {
    const target = this.#statements.target.get(repository, tag);
    return deletedAtMs === undefined ? digest !== undefined && target === digest : target === undefined;
  }

  /** The change without what the tag points at. */
  #madeBy({ site, sequence, ms, count, base }: ClockColumns): Omit<TagState, 'digest'> {
    return { site: site || this.#site, sequence, clock: { ms, count }, base: base ?? undefined };
  }
}
