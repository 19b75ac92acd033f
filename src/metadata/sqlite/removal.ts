import type { Digest } from '../../oci/digest.ts';
import type { DoomedContent } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Graph, Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';
import type { Tags } from './tags.ts';
import { holdReferrersOfBlobs, type Unlinking } from './unlinking.ts';

interface RemovalOptions {
  readonly ids: Ids;
  readonly graph: Graph;
  readonly roots: Roots;
  readonly tags: Tags;
  readonly unlinking: Unlinking;
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

  constructor(connection: Connection, options: RemovalOptions) {
    this.#connection = connection;
    this.#options = options;
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
    const { ids, roots, tags, unlinking } = this.#options;
    const [repositoryId, contentId] = [ids.repository(repository), ids.content(digest)];
    if (repositoryId === undefined || contentId === undefined) return;
    const node = { repositoryId, contentId };
    if (!roots.find(node)) return;
    for (const tag of tags.removeOf(repository, node)) gone.tags.push({ repository, tag });
    roots.remove(node);
    const held = holdReferrersOfBlobs(this.#options, node, { withCircle: true });
    for (const id of this.#release(node)) {
      const released = ids.digest(id) as Digest;
      gone.contents.push({ repository, digest: released });
      gone.doomed.push(...unlinking.doomUnlinked(id, released));
    }
    for (const referrer of held) roots.letGo(referrer, Date.now());
    unlinking.tidy(repositoryId);
  }

  /** From the top down: the node and its parts go, each unless a root is above it still. @returns what went */
  #release(top: Node): number[] {
    const { graph, roots, unlinking } = this.#options;
    const { repositoryId } = top;
    const manifests = [top.contentId];
    const blobs: number[] = [];
    const released: number[] = [];
    for (;;) {
      const isManifest = manifests.length > 0;
      const contentId = isManifest ? manifests.pop() : blobs.pop();
      if (contentId === undefined) return released;
      const node = { repositoryId, contentId };
      if (unlinking.isManifest(node) === undefined || roots.find(node)) continue;
      const referrers = graph.referrers(node);
      // A blob that is only listed cannot hold up what lists it, and goes, if at all, when that has gone.
      const isNeeded = isManifest || referrers.length > 0 ? roots.isBelowRoot(node) : graph.isListed(node);
      if (isNeeded) continue;
      const below = [...graph.listed(node), ...referrers];
      unlinking.unlink(node);
      released.push(contentId);
      for (const id of below) {
        (unlinking.isManifest({ repositoryId, contentId: id }) ? manifests : blobs).push(id);
      }
    }
  }
}
