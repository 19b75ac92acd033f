/** What is paused: links with that rule and that peer; what is absent means any. */
export interface Pause {
  readonly rule?: string;
  readonly peer?: string;
}

/** A rule and a peer by name. */
export interface LinkName {
  readonly rule: string;
  readonly peer: string;
}

export function isPaused(pauses: readonly Pause[], link: LinkName): boolean {
  return pauses.some((pause) => covers(pause, link));
}

/** With one more; those that it covers are part of it. */
export function withPause(pauses: readonly Pause[], pause: Pause): Pause[] {
  if (pauses.some((other) => covers(other, pause))) return [...pauses];
  return [...pauses.filter((other) => !covers(pause, other)), pause];
}

/**
 * Without what is resumed. Of a pause that covers more than that, what else it covers stays paused.
 * @param links all that there are
 */
export function withoutPause(pauses: readonly Pause[], resumed: Pause, links: readonly LinkName[]): Pause[] {
  return pauses
    .filter((pause) => !covers(resumed, pause))
    .flatMap((pause): readonly Pause[] => {
      const covered = links.filter((link) => covers(pause, link));
      const rest = covered.filter((link) => !covers(resumed, link));
      return rest.length === covered.length ? [pause] : rest.map(({ rule, peer }) => ({ rule, peer }));
    });
}

function covers(pause: Pause, other: Pause): boolean {
  return (
    (pause.rule === undefined || pause.rule === other.rule) && (pause.peer === undefined || pause.peer === other.peer)
  );
}
