import type { Digest } from '../oci/digest.ts';
import { compareTimes, type HybridTime } from '../util/hybrid-clock.ts';

/** One change of a tag. */
export interface TagChange {
  /** What the tag points at from then on; undefined: it is deleted. */
  readonly digest: Digest | undefined;
  readonly site: string;
  readonly clock: HybridTime;
  /** What it pointed at before that site changed it, as often as it did so on its own. */
  readonly base: Digest | undefined;
}

/** What becomes of a change that arrives. */
export interface Verdict {
  /** `apply`: it is the last one. `same`: what it is about is so already. `kept`: a later one stays. */
  readonly outcome: 'apply' | 'same' | 'kept';
  /** Two sites changed the tag, and neither knew of the other's change. */
  readonly isConflict: boolean;
}

/**
 * Of two changes of a tag the later one counts, wherever they arrive in whatever order; of two at the same time, that of
 * the site whose name comes later in byte order.
 * @param last the last change that is known here; undefined: none is
 */
export function judgeChange(last: TagChange | undefined, incoming: TagChange): Verdict {
  if (!last) return { outcome: 'apply', isConflict: false };
  const order = compareChanges(incoming, last);
  if (incoming.digest === last.digest) return { outcome: order > 0 ? 'apply' : 'same', isConflict: false };
  if (order === 0) return { outcome: 'kept', isConflict: false };
  const [earlier, later] = order > 0 ? [last, incoming] : [incoming, last];
  return {
    outcome: order > 0 ? 'apply' : 'kept',
    isConflict: last.site !== incoming.site && later.base !== earlier.digest && !isBeforeAll(earlier.clock),
  };
}

/** Negative: `one` is the earlier change of a tag; 0: they are the same one. */
export function compareChanges(
  one: Pick<TagChange, 'site' | 'clock'>,
  other: Pick<TagChange, 'site' | 'clock'>,
): number {
  return compareTimes(one.clock, other.clock) || compareSites(one.site, other.site);
}

/** What was fetched from another site before it arrived with its time is no change of its own. */
function isBeforeAll({ ms }: HybridTime): boolean {
  return ms === 0;
}

/** {@link TagChange.base} of a change that the site makes now, after the last one that is known there. */
export function baseOf(last: TagChange | undefined, site: string): Digest | undefined {
  return last?.site === site ? last.base : last?.digest;
}

/** Names of sites are ASCII. */
function compareSites(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
