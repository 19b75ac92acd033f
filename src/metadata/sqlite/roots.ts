import type { Connection } from './connection.ts';
import type { Graph, Node } from './graph.ts';

/** A row of `root`. */
export interface RootRow {
  readonly contentId: number;
  readonly usedAt: number;
}

/** Before every use. */
const NEVER = 0;

/**
 * Keeps the `root` table right: whatever a repository has is a root or below one; what has a tag is one.
 *
 * References may run in a circle (an index that lists its own subject), so "something is above it" is not enough to be
 * no root: there must be another root above.
 */
export class Roots {
  readonly #graph: Graph;
  readonly #statements;

  constructor(connection: Connection, graph: Graph) {
    this.#graph = graph;
    this.#statements = {
      find: connection.prepare<Node, RootRow>(`
        SELECT content_id AS contentId, used_at AS usedAt FROM root WHERE repository_id = :repositoryId AND content_id = :contentId`),
      isTagged: connection.pluck<Node, 1>(
        'SELECT 1 FROM tag INDEXED BY tag_by_content WHERE repository_id = :repositoryId AND content_id = :contentId LIMIT 1',
      ),
      add: connection.prepare<Node & { usedAt: number }>(`
        INSERT INTO root (repository_id, content_id, registry_id, digest, used_at)
        SELECT :repositoryId, :contentId, r.registry_id, c.digest, coalesce(rc.used_at, :usedAt)
        FROM repository r CROSS JOIN content c CROSS JOIN repository_content rc
        WHERE r.id = :repositoryId AND c.id = :contentId AND rc.repository_id = r.id AND rc.content_id = c.id
        ON CONFLICT DO NOTHING`),
      keepUse: connection.prepare<Node & { usedAt: number }>(`
        UPDATE repository_content SET used_at = :usedAt
        WHERE repository_id = :repositoryId AND content_id = :contentId AND coalesce(used_at, 0) < :usedAt`),
      touch: connection.prepare<Node & { usedAt: number }>(`
        UPDATE root SET used_at = :usedAt
        WHERE repository_id = :repositoryId AND content_id = :contentId AND used_at < :usedAt`),
      clearSetAside: connection.prepare<Node>(`
        UPDATE root SET is_set_aside = 0
        WHERE repository_id = :repositoryId AND content_id = :contentId AND is_set_aside = 1`),
      remove: connection.prepare<Node>(
        'DELETE FROM root WHERE repository_id = :repositoryId AND content_id = :contentId',
      ),
    };
  }

  find(node: Node): RootRow | undefined {
    return this.#statements.find.get(node);
  }

  /** Makes it a root, if it is none. @param usedAt taken if it was never used */
  add({ repositoryId, contentId }: Node, usedAt: number): void {
    this.#statements.add.run({ repositoryId, contentId, usedAt });
  }

  /** Makes it a root until {@link letGo}, if it is none; it is not used by that. */
  hold(node: Node): void {
    this.add(node, NEVER);
  }

  /** What was held stays a root if nothing else has it. @param usedAt taken if it does, and was never used */
  letGo(node: Node, usedAt: number): void {
    this.settle(node);
    if (this.find(node)?.usedAt === NEVER) this.touch(node, usedAt);
  }

  /** It is a root no more if it has no tag and another root is above it. */
  settle(node: Node): void {
    const root = this.find(node);
    if (!root || this.#statements.isTagged.get(node) || !this.isBelowRoot(node)) return;
    // Its last use is not lost: it counts for the root above, as that of any part does.
    this.#statements.keepUse.run({ ...node, usedAt: root.usedAt });
    this.#statements.remove.run(node);
  }

  /** Is it part of a root other than itself? @param way.without as if that were not there */
  isBelowRoot(node: Node, way: { without?: number } = {}): boolean {
    for (const contentId of this.#graph.above(node, way)) {
      if (this.find({ repositoryId: node.repositoryId, contentId })) return true;
    }
    return false;
  }

  /** It was used then, if it is a root. */
  touch({ repositoryId, contentId }: Node, usedAt: number): void {
    this.#statements.touch.run({ repositoryId, contentId, usedAt });
  }

  /** A tag has left it: what spoke for passing it over may have gone with that. */
  tagLeft(node: Node): void {
    this.#statements.clearSetAside.run({ repositoryId: node.repositoryId, contentId: node.contentId });
    this.settle(node);
  }

  remove(node: Node): void {
    this.#statements.remove.run(node);
  }
}
