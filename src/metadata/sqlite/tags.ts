import type { Digest } from '../../oci/digest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { TagRow } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';
import { manifestRow, type ManifestColumns } from './manifest-row.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';

interface TagsOptions {
  readonly ids: Ids;
  readonly roots: Roots;
  readonly rows: RowCache;
}

/** Tags of repositories. */
export class Tags {
  readonly #connection: Connection;
  readonly #options: TagsOptions;
  readonly #statements;

  constructor(connection: Connection, options: TagsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      find: connection.prepare<[repository: string, tag: string], ManifestColumns & { validated_at: number }>(`
        SELECT c.digest, rc.media_type, b.size_bytes, b.stored_at, t.validated_at
        FROM repository r CROSS JOIN tag t CROSS JOIN repository_content rc CROSS JOIN blob b CROSS JOIN content c
        WHERE r.name = ? AND t.name = ? AND t.repository_id = r.id AND rc.repository_id = r.id
          AND rc.content_id = t.content_id AND rc.media_type IS NOT NULL AND b.content_id = t.content_id
          AND c.id = t.content_id`),
      names: connection.pluck<[repository: string], string>(`
        SELECT t.name FROM repository r CROSS JOIN tag t WHERE r.name = ? AND t.repository_id = r.id ORDER BY t.name`),
      namesOf: connection.pluck<Node, string>(`
        SELECT name FROM tag INDEXED BY tag_by_content
        WHERE repository_id = :repositoryId AND content_id = :contentId ORDER BY name`),
      target: connection.pluck<[repositoryId: number, tag: string], number>(
        'SELECT content_id FROM tag WHERE repository_id = ? AND name = ?',
      ),
      isManifest: connection.pluck<Node, 1>(`
        SELECT 1 FROM repository_content
        WHERE repository_id = :repositoryId AND content_id = :contentId AND media_type IS NOT NULL`),
      put: connection.prepare<Node & { tag: string; at: number }>(`
        INSERT INTO tag (repository_id, name, content_id, validated_at, moved_at)
        VALUES (:repositoryId, :tag, :contentId, :at, :at)
        ON CONFLICT DO UPDATE SET validated_at = :at, content_id = :contentId,
          moved_at = iif(content_id = :contentId, moved_at, :at)`),
      remove: connection.prepare<[repositoryId: number, tag: string]>(
        'DELETE FROM tag WHERE repository_id = ? AND name = ?',
      ),
      removeOf: connection.prepare<Node>(
        'DELETE FROM tag INDEXED BY tag_by_content WHERE repository_id = :repositoryId AND content_id = :contentId',
      ),
    };
  }

  find(repository: string, tag: string): TagRow | undefined {
    return this.#options.rows.tag(repository, tag, () => {
      const row = this.#connection.run(() => this.#statements.find.get(repository, tag));
      return row && { ...manifestRow(row), validatedAtMs: row.validated_at };
    });
  }

  /** Points the tag at a manifest of the repository. @throws MetadataError NO_MANIFEST if that is none */
  put(repository: string, tag: string, digest: Digest, at: number): void {
    const { ids, rows } = this.#options;
    this.#connection.write(() => {
      const [repositoryId, contentId] = [ids.repository(repository), ids.content(digest)];
      const isManifest =
        repositoryId !== undefined &&
        contentId !== undefined &&
        this.#statements.isManifest.get({ repositoryId, contentId }) !== undefined;
      if (!isManifest) {
        throw new MetadataError('NO_MANIFEST', `tag ${tag}: ${digest} is no manifest of ${repository}`);
      }
      this.point({ repositoryId, contentId }, tag, at);
    });
    rows.forgetTag(repository, tag);
  }

  /** In a transaction: the same, of a manifest that is known to belong to the repository. */
  point(node: Node, tag: string, at: number): void {
    const { roots } = this.#options;
    const before = this.#statements.target.get(node.repositoryId, tag);
    this.#statements.put.run({ ...node, tag, at });
    if (before === node.contentId) return;
    roots.add(node, at);
    if (before !== undefined) roots.tagLeft({ ...node, contentId: before });
  }

  /** @returns false if there was no such tag */
  drop(repository: string, tag: string): boolean {
    const { ids, roots, rows } = this.#options;
    const isDropped = this.#connection.write(() => {
      const repositoryId = ids.repository(repository);
      const contentId = repositoryId === undefined ? undefined : this.#statements.target.get(repositoryId, tag);
      if (repositoryId === undefined || contentId === undefined) return false;
      this.#statements.remove.run(repositoryId, tag);
      roots.tagLeft({ repositoryId, contentId });
      return true;
    });
    rows.forgetTag(repository, tag);
    return isDropped;
  }

  names(repository: string): string[] {
    return this.#connection.run(() => this.#statements.names.all(repository));
  }

  /** Names of the tags that point at it, in byte order. */
  of(node: Node): string[] {
    return this.#statements.namesOf.all(node);
  }

  /** In a transaction: its tags go. @returns their names */
  removeOf(node: Node): string[] {
    const names = this.of(node);
    if (names.length > 0) this.#statements.removeOf.run(node);
    return names;
  }
}
