import type { Digest } from '../../oci/digest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Cause, TagRow } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import { NOBODY, type Events, type NewEvent } from './events.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { KnownManifest, KnownManifests } from './known-manifests.ts';
import { manifestRow, type ManifestColumns } from './manifest-row.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';

interface TagsOptions {
  readonly ids: Ids;
  readonly roots: Roots;
  readonly known: KnownManifests;
  readonly events: Events;
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
      confirm: connection.prepare<{ repository: string; tag: string; digest: string; at: number }>(`
        UPDATE tag SET validated_at = :at
        WHERE repository_id = (SELECT id FROM repository WHERE name = :repository) AND name = :tag
          AND content_id = (SELECT id FROM content WHERE digest = :digest)`),
      put: connection.prepare<Node & { tag: string; at: number; movedAt: number }>(`
        INSERT INTO tag (repository_id, name, content_id, validated_at, moved_at)
        VALUES (:repositoryId, :tag, :contentId, :at, :movedAt)
        ON CONFLICT DO UPDATE SET validated_at = :at, content_id = :contentId,
          moved_at = iif(content_id = :contentId, moved_at, :movedAt)`),
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
    const { known, rows } = this.#options;
    this.#connection.write(() => {
      if (this.#statements.confirm.run({ repository, tag, digest, at }).changes > 0) return;
      const manifest = known.find(repository, digest);
      if (!manifest) {
        throw new MetadataError('NO_MANIFEST', `tag ${tag}: ${digest} is no manifest of ${repository}`);
      }
      this.point(manifest, { tag, at, cause: NOBODY });
    });
    rows.forgetTag(repository, tag);
  }

  /**
   * In a transaction: the same, of a manifest that is known to belong to the repository.
   * @param pointing.movedAt when it began to point there, if that is not when it was confirmed
   */
  point(manifest: KnownManifest, pointing: { tag: string; at: number; movedAt?: number; cause: Cause }): void {
    const { tag, at, movedAt = at, cause } = pointing;
    const { ids, roots, events } = this.#options;
    const { repositoryId, contentId } = manifest;
    const before = this.#statements.target.get(repositoryId, tag);
    this.#statements.put.run({ repositoryId, contentId, tag, at, movedAt });
    if (before === contentId) return;
    const previous = before === undefined ? undefined : ids.digest(before);
    events.add({ ...manifest, kind: 'tag', tag, previous, atMs: movedAt }, cause);
    roots.add(manifest, movedAt);
    if (before !== undefined) roots.tagLeft({ repositoryId, contentId: before });
  }

  /** @returns false if there was no such tag */
  drop(repository: string, tag: string, cause: Cause): boolean {
    const { ids, roots, known, events, rows } = this.#options;
    const isDropped = this.#connection.write(() => {
      const repositoryId = ids.repository(repository);
      const contentId = repositoryId === undefined ? undefined : this.#statements.target.get(repositoryId, tag);
      if (repositoryId === undefined || contentId === undefined) return false;
      this.#statements.remove.run(repositoryId, tag);
      const manifest = known.at(repository, { repositoryId, contentId });
      if (manifest) events.add(untagging(manifest, tag), cause);
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

/** The tag pointed at that manifest until now. */
export function untagging(manifest: KnownManifest, tag: string): NewEvent {
  return { ...manifest, kind: 'untag', tag, previous: manifest.digest, atMs: Date.now() };
}
