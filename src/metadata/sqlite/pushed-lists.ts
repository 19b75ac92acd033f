import type { Digest } from '../../oci/digest.ts';
import type { ManifestRow, TagTarget } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Graph, Node } from './graph.ts';
import type { Ids } from './ids.ts';
import { manifestRow, type ManifestColumns } from './manifest-row.ts';
import type { Uses } from './uses.ts';

interface PushedListsOptions {
  readonly ids: Ids;
  readonly graph: Graph;
  readonly uses: Uses;
}

/** No name comes after it. */
const LAST = '\u{10ffff}';

/** What clients that push look up: referrers, and tags with their times. */
export class PushedLists {
  readonly #connection: Connection;
  readonly #options: PushedListsOptions;
  readonly #statements;

  constructor(connection: Connection, options: PushedListsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      referrers: connection.prepare<
        { repository: string; subject: string; after: string; limit: number },
        ManifestColumns
      >(`
        SELECT c.digest, rc.media_type, b.size_bytes, b.stored_at
        FROM repository r CROSS JOIN content s CROSS JOIN reference f INDEXED BY reference_by_subject
          CROSS JOIN repository_content rc CROSS JOIN blob b CROSS JOIN content c
        WHERE r.name = :repository AND s.digest = :subject
          AND f.content_id = s.id AND f.repository_id = r.id AND f.role = 'subject'
          AND rc.repository_id = r.id AND rc.content_id = f.manifest_id AND rc.media_type IS NOT NULL
          AND b.content_id = f.manifest_id AND c.id = f.manifest_id AND c.digest > :after
        ORDER BY c.digest LIMIT :limit`),
      tags: connection.prepare<
        { repositoryId: number; after: string; before: string; limit: number },
        Node & { tag: string; digest: Digest; movedAtMs: number }
      >(`
        SELECT t.name AS tag, c.digest, t.moved_at AS movedAtMs, t.repository_id AS repositoryId,
          t.content_id AS contentId
        FROM tag t CROSS JOIN content c
        WHERE t.repository_id = :repositoryId AND t.name > :after AND t.name < :before AND c.id = t.content_id
        ORDER BY t.name LIMIT :limit`),
    };
  }

  referrers(query: { repository: string; subject: Digest; after?: string; limit: number }): ManifestRow[] {
    const { repository, subject, after = '', limit } = query;
    const rows = this.#connection.run(() => this.#statements.referrers.all({ repository, subject, after, limit }));
    return rows.map(manifestRow);
  }

  async tags(query: { repository: string; after?: string; before?: string; limit: number }): Promise<TagTarget[]> {
    const { ids, graph, uses } = this.#options;
    const { repository, after = '', before = LAST, limit } = query;
    await uses.flush();
    return this.#connection.run(() => {
      const repositoryId = ids.repository(repository);
      if (repositoryId === undefined) return [];
      return this.#statements.tags
        .all({ repositoryId, after, before, limit })
        .map(({ tag, digest, movedAtMs, ...node }) => ({
          tag,
          digest,
          movedAtMs,
          usedAtMs: graph.manifestsUsedAt(node),
        }));
    });
  }
}
