import type { RegistryEvent } from '../../metadata/event-index.ts';

/** What a push or a fill writes at once, in one transaction. */
const KINDS: ReadonlySet<RegistryEvent['kind']> = new Set(['push', 'fill', 'tag']);

/** Puts together what was one act of a client or an upstream: a manifest with the tags that it came by. */
export function actsOf(events: readonly RegistryEvent[]): RegistryEvent[][] {
  const acts: RegistryEvent[][] = [];
  for (const event of events) {
    const act = acts.at(-1);
    if (act?.[0] && isOneAct(act[0], event)) act.push(event);
    else acts.push([event]);
  }
  return acts;
}

/**
 * The part of a page of the log that ends where an act ends.
 * @param limit how many events were asked for: a page that is not full has its acts in full
 */
export function wholeActs(events: readonly RegistryEvent[], limit: number): readonly RegistryEvent[] {
  const last = events.at(-1);
  if (!last || events.length < limit) return events;
  const end = events.findLastIndex((event) => !isOneAct(event, last)) + 1;
  // An act as long as a page is torn: better than to stand still.
  return end === 0 ? events : events.slice(0, end);
}

function isOneAct(one: RegistryEvent, other: RegistryEvent): boolean {
  return (
    one.atMs === other.atMs &&
    one.repository === other.repository &&
    one.digest === other.digest &&
    KINDS.has(one.kind) &&
    KINDS.has(other.kind)
  );
}
