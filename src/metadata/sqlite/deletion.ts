import type { Digest } from '../../oci/digest.ts';
import type { Cause } from '../event-index.ts';
import type { BlobDeletion, ManifestDeletion } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Events } from './events.ts';
import type { Graph, Node } from './graph.ts';
import type { Ids } from './ids.ts';
import type { KnownManifest, KnownManifests } from './known-manifests.ts';
import type { Roots } from './roots.ts';
import type { RowCache } from './row-cache.ts';
import type { Tags } from './tags.ts';
import { holdReferrersOfBlobs, type Unlinking } from './unlinking.ts';

interface DeletionOptions {
  readonly ids: Ids;
  readonly graph: Graph;
  readonly roots: Roots;
  readonly tags: Tags;
  readonly known: KnownManifests;
  readonly events: Events;
  readonly unlinking: Unlinking;
  readonly rows: RowCache;
}

/** What one deletion does, as it goes on. */
interface Going {
  /** In the order in which they go. */
  readonly manifests: KnownManifest[];
  /** Whatever else they listed. */
  readonly blobs: Set<number>;
}

/** Takes manifests and blobs out of their repositories because a client says so. */
export class Deletion {
  readonly #connection: Connection;
  readonly #options: DeletionOptions;

  constructor(connection: Connection, options: DeletionOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** @returns undefined if there was none */
  manifest(repository: string, digest: Digest, cause: Cause): ManifestDeletion | undefined {
    const { graph, roots, tags, known, events, unlinking, rows } = this.#options;
    const deletion = this.#connection.write(() => {
      const top = known.find(repository, digest);
      if (!top) return undefined;
      const tagNames = tags.deleteOf(top, cause);
      // One that was set later than the manifest was deleted elsewhere needs it.
      // So does an index that was not deleted, and with one that is deleted it goes anyway.
      const isNeeded = tags.of(top).length > 0 || (cause.origin !== undefined && graph.isListed(top));
      if (isNeeded) return { tags: tagNames, manifests: [], doomed: [] };
      const atMs = Date.now();
      const held = holdReferrersOfBlobs(this.#options, top);
      const going = this.#release(top);
      for (const manifest of going.manifests) events.add({ ...manifest, kind: 'delete', atMs }, cause);
      // Of what goes, the bytes that no repository has any more are to leave the store.
      const doomed = going.manifests.flatMap(({ contentId, digest: gone }) => unlinking.doomUnlinked(contentId, gone));
      this.#loosen(top.repositoryId, going.blobs, atMs);
      for (const referrer of held) roots.letGo(referrer, atMs);
      unlinking.tidy(top.repositoryId);
      return { tags: tagNames, manifests: going.manifests.map((manifest) => manifest.digest), doomed };
    });
    for (const tag of deletion?.tags ?? []) rows.forgetTag(repository, tag);
    for (const gone of deletion?.manifests ?? []) rows.forgetManifest(repository, gone);
    return deletion;
  }

  blob(repository: string, digest: Digest): BlobDeletion {
    const { ids, graph, roots, unlinking } = this.#options;
    return this.#connection.write((): BlobDeletion => {
      const [repositoryId, contentId] = [ids.repository(repository), ids.content(digest)];
      if (repositoryId === undefined || contentId === undefined) return { outcome: 'unknown', doomed: [] };
      const node = { repositoryId, contentId };
      const isManifest = unlinking.isManifest(node);
      if (isManifest === undefined) return { outcome: 'unknown', doomed: [] };
      if (isManifest || graph.isListed(node)) return { outcome: 'listed', doomed: [] };
      const held = holdReferrersOfBlobs(this.#options, node);
      roots.remove(node);
      unlinking.unlink(node);
      for (const referrer of held) roots.letGo(referrer, Date.now());
      const doomed = unlinking.doomUnlinked(contentId, digest);
      unlinking.tidy(repositoryId);
      return { outcome: 'deleted', doomed };
    });
  }

  /**
   * From the top down: the manifest goes, and those below it unless they are roots or below one. It stays as a blob of
   * one that stays: known before the others are looked at, which may be below a root by way of it alone.
   */
  #release(top: KnownManifest): Going {
    const { graph, roots, known, unlinking } = this.#options;
    const { repository, repositoryId } = top;
    const going: Going = { manifests: [top], blobs: new Set() };
    const below = [...graph.listed(top), ...graph.referrers(top)];
    roots.remove(top);
    unlinking.demote(top);
    if (!this.#isBlobOfRoot(top)) unlinking.unlink(top);
    for (let contentId = below.pop(); contentId !== undefined; contentId = below.pop()) {
      const node = { repositoryId, contentId };
      const manifest = known.at(repository, node);
      if (!manifest) {
        going.blobs.add(contentId);
        continue;
      }
      if (roots.find(node) || roots.isBelowRoot(node)) continue;
      going.manifests.push(manifest);
      below.push(...graph.listed(node), ...graph.referrers(node));
      unlinking.unlink(node);
    }
    return going;
  }

  /** Is it the config or a layer of a manifest that is a root, or below one without its help? */
  #isBlobOfRoot({ repositoryId, contentId: blob }: Node): boolean {
    const { graph, roots } = this.#options;
    return graph.wrappers({ repositoryId, contentId: blob }).some((contentId) => {
      const wrapper = { repositoryId, contentId };
      return roots.find(wrapper) !== undefined || roots.isBelowRoot(wrapper, { without: blob });
    });
  }

  /** What is part of nothing any more stands by itself, and garbage collection lets it be for a while. */
  #loosen(repositoryId: number, blobs: Iterable<number>, at: number): void {
    const { roots } = this.#options;
    const loose = [...blobs]
      .map((contentId) => ({ repositoryId, contentId }))
      .filter((node) => !roots.isBelowRoot(node));
    // Does nothing for what does not belong to the repository.
    for (const node of loose) roots.add(node, at);
    for (const node of loose) {
      // A blob can be above another one: as the subject of a manifest that lists that.
      if (roots.isBelowRoot(node)) roots.remove(node);
      else roots.touch(node, at);
    }
  }
}
