import type { Digest } from '../../oci/digest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Cause } from '../event-index.ts';
import type { KeptTag, TagRow } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import { NOBODY, type Events } from './events.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { KnownManifest, KnownManifests } from './known-manifests.ts';
import { manifestRow, type ManifestColumns } from './manifest-row.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';
import type { TagChanges } from './tag-changes.ts';

interface TagsOptions {
  readonly ids: Ids;
  readonly roots: Roots;
  readonly known: KnownManifests;
  readonly events: Events;
  readonly rows: RowCache;
  readonly changes: TagChanges;
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
   * @returns what it is instead, if that was set later than what arrives
   */
  point(
    manifest: KnownManifest,
    pointing: { tag: string; at: number; movedAt?: number; cause: Cause },
  ): KeptTag | undefined {
    const { tag, at, movedAt, cause } = pointing;
    const { ids, roots, events, changes } = this.#options;
    const { repository, repositoryId, contentId, digest } = manifest;
    const before = this.#statements.target.get(repositoryId, tag);
    const previous = before === undefined ? undefined : ids.digest(before);
    const change = { repository, tag, digest, cause };
    const outcome = changes.settle(change);
    if (outcome === 'kept') return { tag, digest: previous };
    this.#statements.put.run({ repositoryId, contentId, tag, at, movedAt: movedAt ?? at });
    if (before === contentId) {
      if (outcome === 'apply' && cause.origin?.clock) changes.note(change, { sequence: cause.origin.sequence });
      return undefined;
    }
    const sequence = events.add({ ...manifest, kind: 'tag', tag, previous, atMs: movedAt ?? at }, cause);
    // The log of an index that is built anew is put in its place later.
    changes.note(change, movedAt === undefined ? { sequence } : { sequence: 0, clock: { ms: movedAt, count: 0 } });
    roots.add(manifest, movedAt ?? at);
    if (before !== undefined) roots.tagLeft({ repositoryId, contentId: before });
    return undefined;
  }

  /** In a transaction: what {@link point} would do. `same`: it points there already. */
  foresee(manifest: KnownManifest, tag: string, cause: Cause): 'move' | 'same' | 'kept' {
    const { repository, repositoryId, contentId, digest } = manifest;
    if (this.#options.changes.judge({ repository, tag, digest, cause }) === 'kept') return 'kept';
    return this.#statements.target.get(repositoryId, tag) === contentId ? 'same' : 'move';
  }

  /** An upstream has no such tag any more: that is nothing for other sites to repeat. @returns false if there was none */
  drop(repository: string, tag: string): boolean {
    const { roots, changes, rows } = this.#options;
    const isDropped = this.#connection.write(() => {
      const node = this.#find(repository, tag);
      if (!node) return false;
      this.#remove(repository, tag, { node, cause: NOBODY });
      changes.forget(repository, tag);
      roots.tagLeft(node);
      return true;
    });
    rows.forgetTag(repository, tag);
    return isDropped;
  }

  /** `kept`: it was set later. */
  delete(repository: string, tag: string, cause: Cause): 'deleted' | 'unknown' | 'kept' {
    const { roots, changes, rows } = this.#options;
    const outcome = this.#connection.write(() => {
      const node = this.#find(repository, tag);
      if (node) {
        if (!this.#delete(repository, tag, { node, cause })) return 'kept';
        roots.tagLeft(node);
        return 'deleted';
      }
      const change = { repository, tag, digest: undefined, cause };
      // What was pushed earlier may still be on its way.
      if (cause.origin?.clock && changes.settle(change) === 'apply') {
        changes.note(change, { sequence: cause.origin.sequence });
      }
      return 'unknown';
    });
    rows.forgetTag(repository, tag);
    return outcome;
  }

  /** In a transaction: all tags of the manifest are deleted, but for those that were set later. @returns their names */
  deleteOf(manifest: KnownManifest, cause: Cause): string[] {
    return this.of(manifest).filter((tag) => this.#delete(manifest.repository, tag, { node: manifest, cause }));
  }

  names(repository: string): string[] {
    return this.#connection.run(() => this.#statements.names.all(repository));
  }

  /** Names of the tags that point at it, in byte order. */
  of(node: Node): string[] {
    return this.#statements.namesOf.all(node);
  }

  /** In a transaction: its tags go with it, and nobody deleted them. @returns their names */
  removeOf(repository: string, node: Node): string[] {
    const names = this.of(node);
    if (names.length > 0) this.#statements.removeOf.run(node);
    for (const tag of names) this.#options.changes.forget(repository, tag);
    return names;
  }

  #find(repository: string, tag: string): Node | undefined {
    const repositoryId = this.#options.ids.repository(repository);
    const contentId = repositoryId === undefined ? undefined : this.#statements.target.get(repositoryId, tag);
    return repositoryId === undefined || contentId === undefined ? undefined : { repositoryId, contentId };
  }

  /** @returns false if it was set later */
  #delete(repository: string, tag: string, { node, cause }: { node: Node; cause: Cause }): boolean {
    const { changes } = this.#options;
    const change = { repository, tag, digest: undefined, cause };
    if (changes.settle(change) === 'kept') return false;
    changes.note(change, { sequence: this.#remove(repository, tag, { node, cause }) });
    return true;
  }

  /** @returns the number of its event */
  #remove(repository: string, tag: string, { node, cause }: { node: Node; cause: Cause }): number {
    const { known, events } = this.#options;
    this.#statements.remove.run(node.repositoryId, tag);
    const manifest = known.at(repository, node);
    const untagging = { kind: 'untag', tag, atMs: Date.now() } as const;
    return manifest ? events.add({ ...manifest, ...untagging, previous: manifest.digest }, cause) : 0;
  }
}
