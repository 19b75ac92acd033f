import type { Digest } from '../../oci/digest.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { ManifestRecord, ManifestRow } from '../metadata-index.ts';
import type { Blobs } from './blobs.ts';
import type { Connection } from './connection.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { Links } from './links.ts';
import { manifestRow, type ManifestColumns } from './manifest-row.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';
import type { Tags } from './tags.ts';

interface ManifestsOptions {
  readonly ids: Ids;
  readonly links: Links;
  readonly roots: Roots;
  readonly blobs: Blobs;
  readonly tags: Tags;
  readonly rows: RowCache;
}

/** Manifests of repositories. */
export class Manifests {
  readonly #connection: Connection;
  readonly #options: ManifestsOptions;
  readonly #statements;

  constructor(connection: Connection, options: ManifestsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      find: connection.prepare<[repository: string, digest: string], ManifestColumns>(`
        SELECT c.digest, rc.media_type, b.size_bytes, b.stored_at
        FROM repository r CROSS JOIN content c CROSS JOIN repository_content rc CROSS JOIN blob b
        WHERE r.name = ? AND c.digest = ? AND rc.repository_id = r.id AND rc.content_id = c.id
          AND rc.media_type IS NOT NULL AND b.content_id = c.id`),
      setType: connection.prepare<Node & { mediaType: string; artifactType: string | null }>(`
        UPDATE repository_content SET media_type = :mediaType, artifact_type = :artifactType
        WHERE repository_id = :repositoryId AND content_id = :contentId`),
      addReference: connection.prepare<
        [repositoryId: number, manifestId: number, contentId: number, role: ManifestReference['role']]
      >(
        'INSERT INTO reference (repository_id, manifest_id, content_id, role) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      repositoriesAfter: connection.pluck<{ prefix: string; after: string; limit: number }, string>(`
        SELECT name FROM repository r
        WHERE name > :after AND name >= :prefix AND substr(name, 1, length(:prefix)) = :prefix AND r.id <> 0
          AND EXISTS (
            SELECT 1 FROM repository_content rc WHERE rc.repository_id = r.id AND rc.media_type IS NOT NULL
          )
        ORDER BY name LIMIT :limit`),
    };
  }

  find(repository: string, digest: Digest): ManifestRow | undefined {
    return this.#options.rows.manifest(repository, digest, () => {
      const row = this.#connection.run(() => this.#statements.find.get(repository, digest));
      return row && manifestRow(row);
    });
  }

  put(record: ManifestRecord): void {
    const { ids, links, roots, blobs, tags, rows } = this.#options;
    const { repository, digest, sizeBytes, atMs } = record;
    if (repository === '') throw new MetadataError('INDEX_FAILED', `manifest ${digest}: no repository`);
    const tagNames = this.#connection.write(() => {
      const node = { repositoryId: ids.ensureRepository(repository), contentId: ids.ensureContent(digest) };
      blobs.store(node.contentId, sizeBytes, atMs);
      links.addManifest(node, { sizeBytes, usedAt: atMs });
      this.#statements.setType.run({
        ...node,
        mediaType: record.mediaType,
        artifactType: record.artifactType ?? null,
      });
      for (const reference of record.references) this.#addReference(node, reference);
      for (const tag of record.tags) tags.point(node, tag, atMs);
      roots.settle(node);
      return tags.of(node);
    });
    rows.forgetManifest(repository, digest);
    for (const tag of tagNames) rows.forgetTag(repository, tag);
  }

  repositories(page: { prefix?: string; after?: string; limit: number }): string[] {
    const { prefix = '', after = '', limit } = page;
    return this.#connection.run(() => this.#statements.repositoriesAfter.all({ prefix, after, limit }));
  }

  #addReference({ repositoryId, contentId: manifestId }: Node, reference: ManifestReference): void {
    const { ids, links, roots } = this.#options;
    const contentId = ids.ensureContent(reference.digest);
    this.#statements.addReference.run(repositoryId, manifestId, contentId, reference.role);
    // A registry takes an image only with its blobs there; subjects and an index's children are merely named.
    if (reference.role === 'config' || reference.role === 'layer')
      links.addListed({ repositoryId, contentId }, reference.sizeBytes);
    else if (reference.role === 'manifest') roots.settle({ repositoryId, contentId });
  }
}
