import type { Digest } from '../../oci/digest.ts';
import type { DoomedContent } from '../metadata-index.ts';
import type { Blobs } from './blobs.ts';
import type { Connection } from './connection.ts';
import type { Doomed } from './doomed.ts';
import type { Graph, Node } from './graph.ts';
import type { Links } from './links.ts';
import type { Roots } from './roots.ts';

interface UnlinkingOptions {
  readonly links: Links;
  readonly blobs: Blobs;
  readonly doomed: Doomed;
}

/** What tells who needs what. */
interface Needs {
  readonly graph: Graph;
  readonly roots: Roots;
  readonly unlinking: Unlinking;
}

/**
 * Before something goes: of blobs, itself or those that would go with it, the referrers become roots. They are below
 * these, and yet are manifests that a client pushed, not parts: only a manifest takes its referrers along.
 * @param hold.withCircle a manifest's own go with it if they are above it, too: else each would hold up the other for ever
 * @returns them, to be let go when it is done ({@link Roots.letGo})
 */
export function holdReferrersOfBlobs(
  { graph, roots, unlinking }: Needs,
  top: Node,
  { withCircle = false }: { withCircle?: boolean } = {},
): readonly Node[] {
  const { repositoryId } = top;
  const going = new Set([top.contentId]);
  const referrers = new Set<number>();
  let circle: ReadonlySet<number> | undefined;
  // A set goes on to what is added meanwhile.
  for (const contentId of going) {
    const node = { repositoryId, contentId };
    if (contentId !== top.contentId && roots.find(node)) continue;
    const about = graph.referrers(node);
    if (unlinking.isManifest(node)) {
      for (const id of [...graph.listed(node), ...about]) going.add(id);
    } else if (about.length > 0) {
      circle ??= new Set(withCircle && unlinking.isManifest(top) ? graph.above(top) : []);
      for (const id of about) (circle.has(id) ? going : referrers).add(id);
    }
  }
  const held = [...referrers].filter((id) => !going.has(id)).map((contentId) => ({ repositoryId, contentId }));
  for (const node of held) roots.hold(node);
  return held;
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
