import type { Connection } from './connection.ts';
import type { Graph, Node } from './graph.ts';
import { NO_REPOSITORY } from './ids.ts';
import type { Roots } from './roots.ts';

/** That content belongs to a repository. */
export class Links {
  readonly #graph: Graph;
  readonly #roots: Roots;
  readonly #statements;

  constructor(connection: Connection, graph: Graph, roots: Roots) {
    this.#graph = graph;
    this.#roots = roots;
    this.#statements = {
      add: connection.prepare<Node & { sizeBytes: number | null; usedAt: number | null }>(`
        INSERT INTO repository_content (repository_id, content_id, size_bytes, used_at)
        VALUES (:repositoryId, :contentId, :sizeBytes, :usedAt) ON CONFLICT DO NOTHING`),
      setSize: connection.prepare<Node & { sizeBytes: number | null }>(`
        UPDATE repository_content SET size_bytes = :sizeBytes
        WHERE repository_id = :repositoryId AND content_id = :contentId`),
      find: connection.pluck<Node, 1>(
        'SELECT 1 FROM repository_content WHERE repository_id = :repositoryId AND content_id = :contentId',
      ),
      remove: connection.prepare<Node>(
        'DELETE FROM repository_content WHERE repository_id = :repositoryId AND content_id = :contentId',
      ),
    };
  }

  /** Does it belong to the repository? */
  has(node: Node): boolean {
    return this.#statements.find.get(node) !== undefined;
  }

  /** Content that a manifest of the repository lists, and that is there as it is. */
  addListed(node: Node, sizeBytes: number): void {
    if (this.#add(node, sizeBytes, null)) this.#settleReferrers(node);
    else this.#roots.settle(node);
  }

  /** Content that comes by itself: a root unless it is part of one. */
  addOwn(node: Node, link: { sizeBytes: number | null; usedAt: number }): void {
    if (!this.#add(node, link.sizeBytes, link.usedAt)) return;
    // A manifest that lists it is a root or below one.
    if (!this.#graph.isListed(node)) this.#roots.add(node, link.usedAt);
    this.#settleReferrers(node);
  }

  /** A manifest, a root until {@link Roots.settle}. */
  addManifest(node: Node, { sizeBytes, at, isPulled }: { sizeBytes: number; at: number; isPulled: boolean }): void {
    this.#add(node, sizeBytes, isPulled ? at : null);
    this.#roots.add(node, at);
    this.#settleReferrers(node);
  }

  /** The row alone; whoever calls sees to roots and references. */
  remove(node: Node): void {
    this.#statements.remove.run(node);
  }

  /** @returns false if it was there */
  #add(node: Node, sizeBytes: number | null, usedAt: number | null): boolean {
    if (this.#statements.add.run({ ...node, sizeBytes, usedAt }).changes === 0) {
      if (sizeBytes !== null) this.#statements.setSize.run({ ...node, sizeBytes });
      return false;
    }
    if (node.repositoryId !== NO_REPOSITORY) {
      const nowhere = { repositoryId: NO_REPOSITORY, contentId: node.contentId };
      this.#roots.remove(nowhere);
      this.remove(nowhere);
    }
    return true;
  }

  #settleReferrers(node: Node): void {
    for (const contentId of this.#graph.referrers(node)) this.#roots.settle({ ...node, contentId });
  }
}
