import type { Graph, Measure, Node } from './graph.ts';
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
export function measureRoot(graph: Graph, roots: Roots, root: UsedNode): Measure {
  const { usedAt, ...sizes } = graph.measure(root);
  return { ...sizes, usedAt: usedAt > root.usedAt ? lastUse(graph, roots, root) : root.usedAt };
}

/** The root that has the content and was pulled last, of those above it that are looked at. */
export function latestRoot(graph: Graph, roots: Roots, node: Node): number | undefined {
  let latest: { id: number; usedAt: number } | undefined;
  for (const { contentId: id, usedAt } of rootsAbove(graph, roots, node)) {
    if (usedAt >= (latest?.usedAt ?? 0)) latest = { id, usedAt };
  }
  return latest?.id;
}

/** Roots that have the content, of those above it that are looked at: itself first, then the nearest. */
export function* rootsAbove(graph: Graph, roots: Roots, { repositoryId, contentId }: Node): Generator<RootRow> {
  const own = roots.find({ repositoryId, contentId });
  if (own) yield own;
  let seen = 0;
  for (const id of graph.above({ repositoryId, contentId })) {
    if (seen >= MANIFESTS_LIMIT) return;
    seen += 1;
    const row = roots.find({ repositoryId, contentId: id });
    if (row) yield row;
  }
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
