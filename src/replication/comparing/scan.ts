import { UpstreamError } from '../../upstream/upstream-error.ts';
import { giveWay } from '../../util/give-way.ts';
import { survivors } from './gone.ts';
import type { Here } from './here.ts';
import { copyJobs, deletionJobs, type DeletedTag } from './jobs.ts';
import type { Link } from './link.ts';
import { matchingRepositories, referencesIn } from './references.ts';
import { scopeOf, type RuleScope } from './rule-scope.ts';
import { deletedTags } from './tombstones.ts';

export interface ScanReport {
  /** Tags, and images without one, for which there are jobs now. */
  readonly references: number;
  /** Tags that were deleted here and may be at the peer still, for which there are jobs too. */
  readonly deletions: number;
}

/** Jobs that are made at once, then others have their turn: some 1 ms. */
const BATCH = 5;
/** While clients have much to ask for, this is what each of these waits. */
const WAY_MS = 30;

interface ScanOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (soFar: ScanReport) => void;
}

/**
 * Makes jobs for all that a rule is about here, whatever the peer has of it: a job does nothing where all is there. It may
 * be repeated: what has a job keeps it. A peer that cannot be reached does not stop it.
 * @throws MetadataError; the signal's reason
 */
export type Scan = (link: Link, options: ScanOptions) => Promise<ScanReport>;

/** The scan of links of this site. */
export function createScan(here: Here): Scan {
  return async (link, { signal, onProgress }) => {
    const scope = scopeOf(link.rule);
    let [references, deletions] = [0, 0];
    for await (const repository of matchingRepositories(here, scope)) {
      for await (const page of referencesIn(here, scope, repository)) {
        for (let start = 0; start < page.length; start += BATCH) {
          signal.throwIfAborted();
          await here.index.enqueueJobs(await copyJobs(here.index, link, page.slice(start, start + BATCH)));
          await giveWay(WAY_MS);
        }
        references += page.length;
        onProgress?.({ references, deletions });
      }
    }
    const maybeThere = deletionsLeft(link, scope, signal);
    for await (const page of deletedTags(here, scope)) {
      const left = await maybeThere(page);
      await here.index.enqueueJobs(deletionJobs(link, left));
      deletions += left.length;
      onProgress?.({ references, deletions });
    }
    signal.throwIfAborted();
    return { references, deletions };
  };
}

/**
 * Of deleted tags those that the peer still has: with jobs for what is long gone there, a run of deletions would seem larger than
 * it is. All of them, once the peer could not be asked.
 */
function deletionsLeft(
  link: Link,
  scope: RuleScope,
  signal: AbortSignal,
): (tags: readonly DeletedTag[]) => Promise<readonly DeletedTag[]> {
  let isAnswering = true;
  return async (tags) => {
    signal.throwIfAborted();
    if (!isAnswering) return tags;
    try {
      return await survivors({ link, scope }, tags, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof UpstreamError)) throw error;
      isAnswering = false;
      return tags;
    }
  };
}
