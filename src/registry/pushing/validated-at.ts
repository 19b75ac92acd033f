import type { Freshness } from '../freshness.ts';

/**
 * When an upstream said where the tag of a replica points, as far as that is known: when the tag was changed at the other
 * site, which may have asked again since then. So what would not be fresh is stale, and no older: the upstream is asked
 * before it is served, and it is served if that fails.
 */
export function validatedAt(changedAtMs: number, { freshForMs }: Freshness, nowMs: number): number {
  return Math.min(nowMs, Math.max(changedAtMs, nowMs - freshForMs));
}
