import type { Digest } from '../../oci/digest.ts';
import type { BlobRow } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import { NO_REPOSITORY, type Ids } from './ids.ts';
import type { Links } from './links.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';

interface BlobsOptions {
  readonly ids: Ids;
  readonly links: Links;
  readonly roots: Roots;
  readonly rows: RowCache;
}

/** What is stored, and that blobs belong to repositories. */
export class Blobs {
  readonly #connection: Connection;
  readonly #options: BlobsOptions;
  readonly #statements;

  constructor(connection: Connection, options: BlobsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      find: connection.prepare<
        { repository: string; digest: string },
        { named_size: number | null; size_bytes: number | null; stored_at: number | null; belongs: number }
      >(`
        SELECT rc.size_bytes AS named_size, b.size_bytes, b.stored_at, rc.content_id IS NOT NULL AS belongs
        FROM content c LEFT JOIN blob b ON b.content_id = c.id
          LEFT JOIN repository_content rc ON rc.content_id = c.id
            AND rc.repository_id = (SELECT id FROM repository WHERE name = :repository)
        WHERE c.digest = :digest`),
      add: connection.prepare<[contentId: number, sizeBytes: number, at: number]>(`
        INSERT INTO blob (content_id, size_bytes, stored_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`),
      remove: connection.pluck<[contentId: number], number>(
        'DELETE FROM blob WHERE content_id = ? RETURNING size_bytes',
      ),
      spare: connection.prepare<[contentId: number]>('DELETE FROM doomed WHERE content_id = ?'),
      isLinked: connection.pluck<[contentId: number], 1>(
        'SELECT 1 FROM repository_content WHERE content_id = ? LIMIT 1',
      ),
      repositoriesOf: connection.prepare<
        { digest: string; limit: number },
        { repository: string; isManifest: number }
      >(`
        SELECT r.name AS repository, rc.media_type IS NOT NULL AS isManifest
        FROM content c CROSS JOIN repository_content rc CROSS JOIN repository r
        WHERE c.digest = :digest AND rc.content_id = c.id AND r.id = rc.repository_id AND r.id <> 0
        LIMIT :limit`),
      after: connection.prepare<[after: string, limit: number], { digest: Digest; size_bytes: number }>(`
        SELECT c.digest, b.size_bytes FROM content c CROSS JOIN blob b
        WHERE c.digest > ? AND b.content_id = c.id ORDER BY c.digest LIMIT ?`),
    };
  }

  find(repository: string, digest: Digest): BlobRow {
    const row = this.#connection.run(() => this.#statements.find.get({ repository, digest }));
    return {
      isStored: typeof row?.size_bytes === 'number',
      belongs: row?.belongs === 1,
      sizeBytes: row?.size_bytes ?? row?.named_size ?? undefined,
      storedAtMs: row?.stored_at ?? undefined,
    };
  }

  put(blob: { digest: Digest; sizeBytes: number; repositories: readonly string[]; atMs: number }): void {
    const { ids, links } = this.#options;
    const { sizeBytes, atMs: usedAt } = blob;
    this.#connection.write(() => {
      const contentId = ids.ensureContent(blob.digest);
      this.store(contentId, sizeBytes, usedAt);
      for (const name of blob.repositories.filter((each) => each !== '')) {
        links.addOwn({ repositoryId: ids.ensureRepository(name), contentId }, { sizeBytes, usedAt });
      }
      if (!this.isLinked(contentId)) {
        links.addOwn({ repositoryId: NO_REPOSITORY, contentId }, { sizeBytes, usedAt });
      }
    });
  }

  /** In a transaction: its bytes are in the store. */
  store(contentId: number, sizeBytes: number, at: number): void {
    this.#statements.spare.run(contentId);
    this.#statements.add.run(contentId, sizeBytes, at);
  }

  link(repository: string, digest: Digest): void {
    const { ids, links } = this.#options;
    this.#connection.write(() => {
      const node = { repositoryId: ids.ensureRepository(repository), contentId: ids.ensureContent(digest) };
      links.addOwn(node, { sizeBytes: null, usedAt: Date.now() });
    });
  }

  /** Only the bytes go; but content of no repository was nothing else. */
  remove(digests: readonly Digest[]): void {
    const { ids, links, roots, rows } = this.#options;
    this.#connection.write(() => {
      for (const digest of digests) {
        const contentId = ids.content(digest);
        if (contentId === undefined) continue;
        this.removeRow(contentId);
        roots.remove({ repositoryId: NO_REPOSITORY, contentId });
        links.remove({ repositoryId: NO_REPOSITORY, contentId });
      }
    });
    rows.forgetAll();
  }

  /** In a transaction: its bytes are not in the store, or are to leave it. @returns how many, if they were there */
  removeRow(contentId: number): number | undefined {
    return this.#statements.remove.get(contentId);
  }

  /** Is it in some repository? */
  isLinked(contentId: number): boolean {
    return this.#statements.isLinked.get(contentId) !== undefined;
  }

  list(after: string, limit: number): { digest: Digest; sizeBytes: number }[] {
    const rows = this.#connection.run(() => this.#statements.after.all(after, limit));
    return rows.map((row) => ({ digest: row.digest, sizeBytes: row.size_bytes }));
  }

  /** Of real repositories, at most so many. */
  repositoriesOf(digest: Digest, limit: number): { repository: string; isManifest: boolean }[] {
    const rows = this.#connection.run(() => this.#statements.repositoriesOf.all({ digest, limit }));
    return rows.map(({ repository, isManifest }) => ({ repository, isManifest: isManifest === 1 }));
  }
}
