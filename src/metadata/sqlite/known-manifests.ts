import type { Digest } from '../../oci/digest.ts';
import type { Connection } from './connection.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';

/** A manifest of a repository, stored or not, with what the event log says of it. */
export interface KnownManifest extends Node {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number | undefined;
}

/** Finds manifests for those who change something about them; in a transaction. */
export class KnownManifests {
  readonly #ids: Ids;
  readonly #statements;

  constructor(connection: Connection, ids: Ids) {
    this.#ids = ids;
    this.#statements = {
      find: connection.prepare<Node, { digest: Digest; mediaType: string | null; sizeBytes: number | null }>(`
        SELECT c.digest, rc.media_type AS mediaType, b.size_bytes AS sizeBytes
        FROM repository_content rc CROSS JOIN content c LEFT JOIN blob b ON b.content_id = rc.content_id
        WHERE rc.repository_id = :repositoryId AND rc.content_id = :contentId AND c.id = rc.content_id`),
    };
  }

  find(repository: string, digest: Digest): KnownManifest | undefined {
    const [repositoryId, contentId] = [this.#ids.repository(repository), this.#ids.content(digest)];
    if (repositoryId === undefined || contentId === undefined) return undefined;
    return this.at(repository, { repositoryId, contentId });
  }

  at(repository: string, { repositoryId, contentId }: Node): KnownManifest | undefined {
    const row = this.#statements.find.get({ repositoryId, contentId });
    if (!row || row.mediaType === null) return undefined;
    const { digest, mediaType, sizeBytes } = row;
    return { repositoryId, contentId, repository, digest, mediaType, sizeBytes: sizeBytes ?? undefined };
  }
}
