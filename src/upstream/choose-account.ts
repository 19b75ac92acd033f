/** An account, as far as the choice among several is concerned. */
export interface AccountCandidate {
  /** May this request be made with it? */
  readonly isEligible: boolean;
  /** Were its credentials refused a moment ago, which makes it anonymous, or has it no right to the repository? */
  readonly isRefused: boolean;
  /** The part of its rate limit that remains, 0 to 1. */
  readonly share: number;
}

/**
 * The index of the account to use: one that was not refused, of those the one with the largest share left, and
 * among equals the next one after `last`. undefined: none.
 */
export function chooseAccount(candidates: readonly AccountCandidate[], last: number): number | undefined {
  const count = candidates.length;
  return candidates
    .map((candidate, index) => ({ ...candidate, index, turn: (index - last - 1 + count) % count }))
    .filter(({ isEligible }) => isEligible)
    .toSorted((a, b) => Number(a.isRefused) - Number(b.isRefused) || b.share - a.share || a.turn - b.turn)[0]?.index;
}
