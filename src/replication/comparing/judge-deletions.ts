/** Deletions of a run, and what they are a part of. */
export interface DeletionRun {
  readonly deletions: number;
  /** Tags of the rule that are here. */
  readonly tags: number;
  /** The part of both, 0 to 1, that may be deleted. */
  readonly maxDelete: number;
}

/** How many deletions a run may have: one always. */
export function deletionLimit({ deletions, tags, maxDelete }: DeletionRun): number {
  // 0.29 of 100 is 28.999999999999996.
  return Math.max(1, Math.floor(maxDelete * (tags + deletions) + 1e-9));
}

/** Why a run has to be approved; undefined: it may go on. */
export function judgeDeletions(run: DeletionRun): string | undefined {
  const { deletions, tags, maxDelete } = run;
  if (deletions <= deletionLimit(run)) return undefined;
  const total = tags + deletions;
  return `${deletions} of ${total} tags would be deleted (${percent(deletions / total)}, more than maxDelete ${percent(maxDelete)})`;
}

function percent(part: number): string {
  return `${Number((part * 100).toFixed(1))} %`;
}
