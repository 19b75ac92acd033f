import type { Digest } from '../../oci/digest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Cause } from '../event-index.ts';
import type { Blobs } from './blobs.ts';
import type { Connection } from './connection.ts';
import type { Events } from './events.ts';
import type { Ids } from './ids.ts';
import type { Links } from './links.ts';
import type { Roots } from './roots.ts';

interface PushedBlobsOptions {
  readonly ids: Ids;
  readonly links: Links;
  readonly roots: Roots;
  readonly blobs: Blobs;
  readonly events: Events;
}

/** A blob of a repository, from now on. */
interface PushedBlob {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly atMs: number;
}

/** Blobs that clients push, or mount from another repository. */
export class PushedBlobs {
  readonly #connection: Connection;
  readonly #options: PushedBlobsOptions;
  readonly #statements;

  constructor(connection: Connection, options: PushedBlobsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      storedSize: connection.pluck<[digest: string], number>(
        'SELECT b.size_bytes FROM content c CROSS JOIN blob b WHERE c.digest = ? AND b.content_id = c.id',
      ),
      storedSizeIn: connection.pluck<[digest: string, repository: string], number>(`
        SELECT b.size_bytes FROM content c CROSS JOIN blob b CROSS JOIN repository r CROSS JOIN repository_content rc
        WHERE c.digest = ? AND b.content_id = c.id AND r.name = ? AND rc.repository_id = r.id AND rc.content_id = c.id`),
    };
  }

  put(blob: PushedBlob, cause: Cause): void {
    refuseNameless(blob);
    const { ids, blobs } = this.#options;
    this.#connection.write(() => {
      blobs.store(ids.ensureContent(blob.digest), blob.sizeBytes, blob.atMs);
      this.#link(blob, cause);
    });
  }

  /** @returns false if it is not stored, or not in that repository; undefined: in any */
  mount(blob: Omit<PushedBlob, 'sizeBytes'> & { from: string | undefined }, cause: Cause): boolean {
    refuseNameless(blob);
    return this.#connection.write(() => {
      const { digest, from } = blob;
      const { storedSize, storedSizeIn } = this.#statements;
      const sizeBytes = from === undefined ? storedSize.get(digest) : storedSizeIn.get(digest, from);
      if (sizeBytes === undefined) return false;
      this.#link({ ...blob, sizeBytes }, cause);
      return true;
    });
  }

  #link({ repository, digest, sizeBytes, atMs }: PushedBlob, cause: Cause): void {
    const { ids, links, roots, events } = this.#options;
    const node = { repositoryId: ids.ensureRepository(repository), contentId: ids.ensureContent(digest) };
    links.addOwn(node, { sizeBytes, usedAt: atMs });
    // A manifest that lists it is about to come: garbage collection has to wait for that anew.
    roots.touch(node, atMs);
    events.add({ kind: 'blob', repository, digest, sizeBytes, atMs }, cause);
  }
}

function refuseNameless({ repository, digest }: { repository: string; digest: Digest }): void {
  if (repository === '') throw new MetadataError('INDEX_FAILED', `blob ${digest}: no repository`);
}
