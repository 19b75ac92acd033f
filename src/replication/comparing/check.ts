import { parseDigest } from '../../oci/digest.ts';
import { compareRepository, type ComparedPage, type Pair } from './compare.ts';
import { overdueDeletions } from './gone.ts';
import type { Here } from './here.ts';
import { copyJobs, deletionJobs } from './jobs.ts';
import type { Link } from './link.ts';
import { matchingRepositories } from './references.ts';
import { scopeOf } from './rule-scope.ts';

export interface CheckReport {
  /** Tags, and manifests by digest, that were looked at. */
  readonly compared: number;
  /** Those that are missing at the peer, are different there, or should have been deleted there: each has a job now. */
  readonly differences: number;
  /** Jobs that were parked or held and are tried again. */
  readonly retried: number;
}

/**
 * Compares a link's sides and makes jobs for what differs, wherever it came from.
 * @throws UpstreamError if the peer fails, MetadataError; the signal's reason. Jobs that were made until then stay
 */
export async function check(here: Here, link: Link, signal: AbortSignal): Promise<CheckReport> {
  const { index } = here;
  const scope = scopeOf(link.rule);
  let [compared, differences] = [0, 0];
  for await (const repository of matchingRepositories(here, scope)) {
    const pair = { here, link, scope, repository };
    for await (const page of compareRepository(pair, signal)) {
      compared += page.compared;
      differences += page.differences.length;
      await repair(pair, page);
    }
  }
  for await (const survivors of overdueDeletions({ here, link, scope }, signal)) {
    differences += survivors.length;
    if (survivors.length > 0) await index.enqueueJobs(deletionJobs(link, survivors));
  }
  signal.throwIfAborted();
  // What was held is judged anew: fewer may have to be deleted now.
  const retried = await index.retryJobs({ rule: link.rule.name, peer: link.peer.name, states: ['parked', 'held'] });
  return { compared, differences, retried };
}

async function repair({ here: { index }, link, repository }: Pair, { differences }: ComparedPage): Promise<void> {
  const references = differences.flatMap(({ tag, here }) => {
    const digest = parseDigest(here ?? '');
    return digest ? [{ repository, reference: tag, digest }] : [];
  });
  if (references.length > 0) await index.enqueueJobs(await copyJobs(index, link, references));
}
