import type { JobControlIndex } from '../metadata/replication-index.ts';
import type { WorkOptions } from '../registry/operations/operations.ts';
import { mapAtOnce } from './comparing/at-once.ts';
import { followJobs } from './follow-jobs.ts';
import type { LinkPart } from './link-part.ts';
import type { ReplicateProgress, ReplicateReport } from './replication-operations.ts';

export interface RunOptions {
  readonly index: Pick<JobControlIndex, 'listJobs'>;
  /** Whatever windows there are, until it is done. */
  readonly isWaitedFor: boolean;
  readonly patienceMs: number;
}

const MAX_FAILURES = 1000;

/**
 * Sends all that these links are about, as an operator wants it.
 * @throws MetadataError; the signal's reason: what has begun goes on by itself
 */
export async function runLinks(
  links: readonly LinkPart[],
  { index, isWaitedFor, patienceMs }: RunOptions,
  { signal, onProgress }: WorkOptions<ReplicateProgress>,
): Promise<ReplicateReport> {
  const failures: { peer: string; reference: string; error: string }[] = [];
  const sentBefore = sentBytesOf(links);
  let [references, referencesDone] = [0, 0];
  const progress = () => ({ references, referencesDone, sentBytes: sentBytesOf(links) - sentBefore });
  const runOne = async ({ link, site, fullScan }: LinkPart, either: AbortSignal): Promise<void> => {
    if (!isWaitedFor) {
      references += (await fullScan.requested(either)).references;
      return;
    }
    using _exemption = link.exempt();
    site.health.check();
    site.workers.wake();
    const onFound = (found: number) => {
      references += found;
      onProgress(progress());
    };
    const onDone = () => {
      referencesDone += 1;
      onProgress(progress());
    };
    const onFailure = (reference: string, error: string) => {
      if (failures.length < MAX_FAILURES) failures.push({ peer: link.name.peer, reference, error });
    };
    const peer = () => site.health.status;
    await followJobs({ index, link, peer, signal: either, onFound, onDone, onFailure, patienceMs }, () =>
      fullScan.requested(either),
    );
  };
  try {
    await mapAtOnce(links, signal, runOne);
  } finally {
    // Windows count again.
    for (const { site } of links) site.workers.wake();
  }
  return { ...progress(), isDryRun: false, isWaitedFor, differences: [], failures };
}

function sentBytesOf(links: readonly LinkPart[]): number {
  return links.reduce((sum, { link }) => sum + link.tally.figures.sentBytes, 0);
}
