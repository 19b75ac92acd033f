import type { Cause } from '../../metadata/event-index.ts';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';

/** More than the tags that one push may move, and what other repositories add meanwhile. */
const MAX_CONFLICTS = 200;

/**
 * Makes a change to a repository and, if it arrives from another site, tells of tags that turn out to have been changed
 * at two sites at once. Nothing else changes the repository's tags meanwhile: whoever calls sees to that.
 */
export async function tellingConflicts<Result>(
  { index, telemetry }: { readonly index: Pick<MetadataIndex, 'listConflicts'>; readonly telemetry: Telemetry },
  { repository, cause }: { readonly repository: string; readonly cause: Cause },
  change: () => Promise<Result>,
): Promise<Result> {
  if (!cause.origin) return change();
  const [last] = await index.listConflicts({ limit: 1 });
  const result = await change();
  const newest = await index.listConflicts({ limit: MAX_CONFLICTS });
  for (const conflict of newest.toReversed()) {
    if (conflict.id <= (last?.id ?? 0) || conflict.repository !== repository) continue;
    const { tag, kept, lost, deletion } = conflict;
    telemetry.intake.conflictFound({ repository, tag, kept, lost, deletion });
  }
  return result;
}
