/** How long what an upstream said may be repeated, in ms; Infinity is forever. */
export interface Freshness {
  /** Served without asking. */
  readonly freshForMs: number;
  /** After that, served at once and asked about in the background. */
  readonly staleWhileRevalidateMs: number;
  /** After {@link freshForMs}, served when the upstream fails. */
  readonly staleIfErrorMs: number;
}

/**
 * - `fresh` serve it
 * - `refreshing` serve it, and ask the upstream meanwhile
 * - `stale` ask the upstream first; serve it if that fails
 * - `expired` ask the upstream; do not serve it unless confirmed
 */
export type Age = 'fresh' | 'refreshing' | 'stale' | 'expired';

/** What an answer of that age is good for (the ages of RFC 9111 4.2 and RFC 5861). */
export function judgeAge(ageMs: number, freshness: Freshness): Age {
  const staleMs = ageMs - freshness.freshForMs;
  // A clock that was set back makes an age negative: that says nothing, so the upstream is asked.
  if (ageMs >= 0 && staleMs < 0) return 'fresh';
  if (ageMs >= 0 && staleMs < freshness.staleWhileRevalidateMs) return 'refreshing';
  return staleMs <= freshness.staleIfErrorMs ? 'stale' : 'expired';
}

/** When the upstream must have said it for it to be served still if that fails; undefined: however long ago. */
export function oldestServed({ freshForMs, staleIfErrorMs }: Freshness, nowMs = Date.now()): number | undefined {
  const atMs = nowMs - freshForMs - staleIfErrorMs;
  return Number.isFinite(atMs) ? atMs : undefined;
}
