import type { Digest } from '../../oci/digest.ts';
import type { DoomedContent } from '../metadata-index.ts';
import type { Blobs } from './blobs.ts';
import type { Connection } from './connection.ts';
import type { Doomed } from './doomed.ts';
import type { Graph, Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { Links } from './links.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';
import type { Tags } from './tags.ts';

interface RemovalOptions {
  readonly ids: Ids;
  readonly graph: Graph;
  readonly roots: Roots;
  readonly links: Links;
  readonly tags: Tags;
  readonly blobs: Blobs;
  readonly doomed: Doomed;
  readonly rows: RowCache;
}

/** What went in one call. */
interface Gone {
  readonly doomed: DoomedContent[];
  readonly tags: { readonly repository: string; readonly tag: string }[];
  readonly contents: { readonly repository: string; readonly digest: Digest }[];
}

/** Takes roots out of their repositories, and with them what nothing else there needs. */
export class Removal {
  readonly #connection: Connection;
  readonly #options: RemovalOptions;
  readonly #statements;

  constructor(connection: Connection, options: RemovalOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      isManifest: connection.pluck<Node, number>(`
        SELECT media_type IS NOT NULL FROM repository_content
        WHERE repository_id = :repositoryId AND content_id = :contentId`),
      removeReferences: connection.prepare<Node>(
        'DELETE FROM reference WHERE repository_id = :repositoryId AND manifest_id = :contentId',
      ),
      removeListings: connection.prepare<Node>(
        'DELETE FROM listing INDEXED BY listing_by_content WHERE repository_id = :repositoryId AND about_id = :contentId',
      ),
      isInUse: connection.pluck<[repositoryId: number], 1>(
        'SELECT 1 FROM repository_content WHERE repository_id = ? LIMIT 1',
      ),
      removeAllListings: connection.prepare<[repositoryId: number]>('DELETE FROM listing WHERE repository_id = ?'),
      removeRepository: connection.prepare<[repositoryId: number]>('DELETE FROM repository WHERE id = ? AND id <> 0'),
    };
  }

  drop(roots: readonly { readonly repository: string; readonly digest: Digest }[]): DoomedContent[] {
    const { rows } = this.#options;
    const gone = this.#connection.writeLazily(() => {
      const all: Gone = { doomed: [], tags: [], contents: [] };
      for (const { repository, digest } of roots) this.#drop(repository, digest, all);
      return all;
    });
    for (const { repository, tag } of gone.tags) rows.forgetTag(repository, tag);
    for (const { repository, digest } of gone.contents) rows.forgetManifest(repository, digest);
    return gone.doomed;
  }

  /** What {@link drop} would doom. */
  preview(roots: readonly { readonly repository: string; readonly digest: Digest }[]): DoomedContent[] {
    const all: Gone = { doomed: [], tags: [], contents: [] };
    const { database } = this.#connection;
    this.#connection.run(() => {
      database.exec('BEGIN IMMEDIATE');
      try {
        for (const { repository, digest } of roots) this.#drop(repository, digest, all);
      } finally {
        database.exec('ROLLBACK');
      }
    });
    return all.doomed;
  }

  #drop(repository: string, digest: Digest, gone: Gone): void {
    const { ids, roots, tags } = this.#options;
    const [repositoryId, contentId] = [ids.repository(repository), ids.content(digest)];
    if (repositoryId === undefined || contentId === undefined) return;
    const node = { repositoryId, contentId };
    if (!roots.find(node)) return;
    for (const tag of tags.removeOf(node)) gone.tags.push({ repository, tag });
    roots.remove(node);
    for (const id of this.#release(node)) {
      const released = ids.digest(id) as Digest;
      gone.contents.push({ repository, digest: released });
      gone.doomed.push(...this.#doomUnlinked(id, released));
    }
    if (this.#statements.isInUse.get(repositoryId) === undefined) {
      this.#statements.removeAllListings.run(repositoryId);
      this.#statements.removeRepository.run(repositoryId);
    }
  }

  /** From the top down: the node and its parts go, each unless a root is above it still. @returns what went */
  #release(top: Node): number[] {
    const { graph, roots } = this.#options;
    const { repositoryId } = top;
    const manifests = [top.contentId];
    const blobs: number[] = [];
    const released: number[] = [];
    for (;;) {
      const isManifest = manifests.length > 0;
      const contentId = isManifest ? manifests.pop() : blobs.pop();
      if (contentId === undefined) return released;
      const node = { repositoryId, contentId };
      if (this.#statements.isManifest.get(node) === undefined || roots.find(node)) continue;
      const referrers = graph.referrers(node);
      // A blob that is only listed cannot hold up what lists it, and goes, if at all, when that has gone.
      const isNeeded = isManifest || referrers.length > 0 ? roots.isBelowRoot(node) : graph.isListed(node);
      if (isNeeded) continue;
      const below = [...graph.listed(node), ...referrers];
      this.#removeNode(node);
      released.push(contentId);
      for (const id of below) {
        const isManifestBelow = this.#statements.isManifest.get({ repositoryId, contentId: id }) === 1;
        (isManifestBelow ? manifests : blobs).push(id);
      }
    }
  }

  #removeNode(node: Node): void {
    this.#statements.removeReferences.run(node);
    this.#statements.removeListings.run(node);
    this.#options.links.remove(node);
  }

  #doomUnlinked(contentId: number, digest: Digest): DoomedContent[] {
    const { blobs, doomed } = this.#options;
    if (blobs.isLinked(contentId)) return [];
    const sizeBytes = blobs.removeRow(contentId);
    if (sizeBytes === undefined) return [];
    doomed.add(contentId, sizeBytes);
    return [{ digest, sizeBytes }];
  }
}
