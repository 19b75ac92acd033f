import type { Digest } from '../../oci/digest.ts';
import type { DoomedContent } from '../metadata-index.ts';
import type { Blobs } from './blobs.ts';
import type { Connection } from './connection.ts';
import type { Doomed } from './doomed.ts';
import type { Node } from './graph.ts';
import type { Links } from './links.ts';

interface UnlinkingOptions {
  readonly links: Links;
  readonly blobs: Blobs;
  readonly doomed: Doomed;
}

/** The steps by which content leaves a repository, each in a transaction. */
export class Unlinking {
  readonly #options: UnlinkingOptions;
  readonly #statements;

  constructor(connection: Connection, options: UnlinkingOptions) {
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
      removeType: connection.prepare<Node>(`
        UPDATE repository_content SET media_type = NULL, artifact_type = NULL
        WHERE repository_id = :repositoryId AND content_id = :contentId`),
      isInUse: connection.pluck<[repositoryId: number], 1>(
        'SELECT 1 FROM repository_content WHERE repository_id = ? LIMIT 1',
      ),
      removeAllListings: connection.prepare<[repositoryId: number]>('DELETE FROM listing WHERE repository_id = ?'),
      removeRepository: connection.prepare<[repositoryId: number]>('DELETE FROM repository WHERE id = ? AND id <> 0'),
    };
  }

  /** Undefined: it does not belong to the repository. */
  isManifest(node: Node): boolean | undefined {
    const isManifest = this.#statements.isManifest.get(node);
    return isManifest === undefined ? undefined : isManifest === 1;
  }

  /** It belongs to the repository no more; it must not be a root. */
  unlink(node: Node): void {
    this.#statements.removeReferences.run(node);
    this.#statements.removeListings.run(node);
    this.#options.links.remove(node);
  }

  /** From now on the manifest is nothing but a blob of the repository. */
  demote(node: Node): void {
    this.#statements.removeReferences.run(node);
    this.#statements.removeListings.run(node);
    this.#statements.removeType.run(node);
  }

  /** Content that no repository has any more is to leave the store. */
  doomUnlinked(contentId: number, digest: Digest): DoomedContent[] {
    const { blobs, doomed } = this.#options;
    if (blobs.isLinked(contentId)) return [];
    const sizeBytes = blobs.removeRow(contentId);
    if (sizeBytes === undefined) return [];
    doomed.add(contentId, sizeBytes);
    return [{ digest, sizeBytes }];
  }

  /** A repository has a row only while it holds something. */
  tidy(repositoryId: number): void {
    if (this.#statements.isInUse.get(repositoryId) !== undefined) return;
    this.#statements.removeAllListings.run(repositoryId);
    this.#statements.removeRepository.run(repositoryId);
  }
}
