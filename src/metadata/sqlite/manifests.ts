import type { Digest } from '../../oci/digest.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Cause } from '../event-index.ts';
import type { KeptTag, ManifestRecord, ManifestRow, PushResult } from '../metadata-index.ts';
import type { Blobs } from './blobs.ts';
import type { Connection } from './connection.ts';
import { NOBODY, type Events } from './events.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { KnownManifest, KnownManifests } from './known-manifests.ts';
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
  readonly known: KnownManifests;
  readonly events: Events;
  readonly rows: RowCache;
}

/** What a client that pushes asks for, and who it is. */
interface Push {
  readonly required: readonly Digest[];
  readonly cause: Cause;
}

/** Long ago: an upstream is asked before the tag is served as fresh. */
const UNCONFIRMED = 0;

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
      isManifest: connection.pluck<[repository: string, digest: string], number>(`
        SELECT rc.media_type IS NOT NULL
        FROM repository r CROSS JOIN content c CROSS JOIN repository_content rc CROSS JOIN blob b
        WHERE r.name = ? AND c.digest = ? AND rc.repository_id = r.id AND rc.content_id = c.id
          AND b.content_id = c.id`),
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

  /** From an upstream. */
  put(record: ManifestRecord): void {
    this.#write(record);
  }

  /** From a client. */
  push(record: ManifestRecord, required: readonly Digest[], cause: Cause): PushResult {
    return this.#write(record, { required, cause });
  }

  repositories(page: { prefix?: string; after?: string; limit: number }): string[] {
    const { prefix = '', after = '', limit } = page;
    return this.#connection.run(() => this.#statements.repositoriesAfter.all({ prefix, after, limit }));
  }

  #write(record: ManifestRecord, push?: Push): PushResult {
    const { rows } = this.#options;
    const { repository, digest } = record;
    if (repository === '') throw new MetadataError('INDEX_FAILED', `manifest ${digest}: no repository`);
    const { missing, tags, kept } = this.#connection.write(() => {
      const lacking = push ? this.#missing(record, push.required) : [];
      const stored = lacking.length > 0 ? { tags: [], kept: [] } : this.#store(record, push?.cause);
      return { missing: lacking, ...stored };
    });
    rows.forgetManifest(repository, digest);
    for (const tag of tags) rows.forgetTag(repository, tag);
    return { missing, kept };
  }

  #missing({ repository, references }: ManifestRecord, required: readonly Digest[]): Digest[] {
    const children = new Set(references.filter(({ role }) => role === 'manifest').map(({ digest }) => digest));
    return [...new Set(required)].filter((digest) => {
      const isManifest = this.#statements.isManifest.get(repository, digest);
      return isManifest === undefined || (isManifest === 0 && children.has(digest));
    });
  }

  /** @param pusher undefined: it is from an upstream @returns names of its tags, and those that are kept from it */
  #store(record: ManifestRecord, pusher: Cause | undefined): { tags: string[]; kept: KeptTag[] } {
    const { ids, links, roots, blobs, tags, known } = this.#options;
    const { repository, digest, mediaType, sizeBytes, artifactType = null, atMs } = record;
    const node = { repositoryId: ids.ensureRepository(repository), contentId: ids.ensureContent(digest) };
    const manifest = { ...node, repository, digest, mediaType, sizeBytes };
    const isKnown = known.at(repository, node) !== undefined;
    blobs.store(node.contentId, sizeBytes, atMs);
    // What was pushed was not pulled yet.
    links.addManifest(node, { sizeBytes, at: atMs, isPulled: !pusher });
    if (pusher) roots.touch(node, atMs);
    this.#statements.setType.run({ ...node, mediaType, artifactType });
    // A registry takes an image only with its blobs there; subjects and an index's children are merely named. So are
    // blobs by a client that may leave them out: naming another repository's blob must not open it.
    const isHere = (blob: Digest) => record.former?.linked.has(blob) ?? !pusher;
    for (const reference of record.references) this.#addReference(node, reference, isHere);
    this.#announce(manifest, record, { isKnown, pusher });
    const kept = record.tags.flatMap((tag) => tags.point(manifest, { tag, at: atMs, cause: pusher ?? NOBODY }) ?? []);
    for (const { tag, movedAtMs } of record.former?.tags ?? []) {
      tags.point(manifest, { tag, at: UNCONFIRMED, movedAt: movedAtMs, cause: NOBODY });
    }
    roots.settle(node);
    return { tags: tags.of(node), kept };
  }

  /** A tag that stays where it was has no event of its own. Nor has what another site sends when it is here already. */
  #announce(
    manifest: KnownManifest,
    { tags: names, atMs }: ManifestRecord,
    { isKnown, pusher }: { isKnown: boolean; pusher: Cause | undefined },
  ): void {
    const { tags, events } = this.#options;
    if (!pusher) {
      if (!isKnown) events.add({ ...manifest, kind: 'fill', atMs }, NOBODY);
      return;
    }
    const foreseen = names.map((tag) => ({ tag, what: tags.foresee(manifest, tag, pusher) }));
    if (pusher.origin && isKnown && foreseen.every(({ what }) => what !== 'move')) return;
    const tag = foreseen.find(({ what }) => what !== 'kept')?.tag;
    events.add({ ...manifest, kind: 'push', tag, atMs }, pusher);
  }

  #addReference(manifest: Node, reference: ManifestReference, isHere: (blob: Digest) => boolean): void {
    const { ids, links, roots } = this.#options;
    const node = { repositoryId: manifest.repositoryId, contentId: ids.ensureContent(reference.digest) };
    this.#statements.addReference.run(manifest.repositoryId, manifest.contentId, node.contentId, reference.role);
    if (reference.role === 'config' || reference.role === 'layer') {
      if (isHere(reference.digest) || links.has(node)) links.addListed(node, reference.sizeBytes);
    } else if (reference.role === 'manifest') roots.settle(node);
  }
}
