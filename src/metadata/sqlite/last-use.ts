import type { Graph, Node } from './graph.ts';
import type { RootRow, Roots } from './roots.ts';

/** A root with the last use that its row has. */
export interface UsedNode extends Node {
  readonly usedAt: number;
}

/**
 * So many manifests above a part are looked at. Of a part that more of them have, a pull says little about any one of
 * them.
 */
const MANIFESTS_LIMIT = 200;

/**
 * How large a root is, and when it or a part of it was last pulled. The pull of a part that several roots have counts for
 * the one that was pulled last itself, of two at the same moment for the one that came later.
 */
export function measureRoot(graph: Graph, roots: Roots, root: UsedNode): { sizeBytes: number; usedAt: number } {
  const { sizeBytes, usedAt } = graph.measure(root);
  return { sizeBytes, usedAt: usedAt > root.usedAt ? lastUse(graph, roots, root) : root.usedAt };
}

function lastUse(graph: Graph, roots: Roots, root: UsedNode): number {
  for (const part of graph.partsUsedSince(root, root.usedAt)) {
    if (!isPartOfLater(graph, roots, root, part.id)) return part.usedAt;
  }
  return root.usedAt;
}

function isPartOfLater(graph: Graph, roots: Roots, root: UsedNode, partId: number): boolean {
  const isLater = (contentId: number) => {
    const other = roots.find({ repositoryId: root.repositoryId, contentId });
    return other !== undefined && isAfter(other, root);
  };
  if (isLater(partId)) return true;
  let seen = 0;
  for (const contentId of graph.above({ repositoryId: root.repositoryId, contentId: partId })) {
    if (isLater(contentId) || seen >= MANIFESTS_LIMIT) return true;
    seen += 1;
  }
  return false;
}

/** In the order in which roots are gone through, oldest first. */
function isAfter(other: RootRow, root: UsedNode): boolean {
  return other.usedAt > root.usedAt || (other.usedAt === root.usedAt && other.contentId > root.contentId);
}
