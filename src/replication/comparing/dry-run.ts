import type { WorkOptions } from '../../registry/operations/operations.ts';
import { describeError } from '../../telemetry/telemetry.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { Difference, ReplicateProgress, ReplicateReport } from '../replication-operations.ts';
import { compareRepository, type ComparedPage } from './compare.ts';
import { DifferenceTally } from './difference-tally.ts';
import { overdueDeletions, type SurvivingTag } from './gone.ts';
import type { Here } from './here.ts';
import type { Link } from './link.ts';
import { matchingRepositories } from './references.ts';
import { scopeOf } from './rule-scope.ts';

/** Some of what would be done. */
interface Changes extends ComparedPage {
  readonly repository: string;
}

/**
 * Says what a run of these links would do: what is missing at the peers or different there, and deletions that are due. A
 * peer that fails is among the failures, and what was found until then stays.
 * @throws MetadataError; the signal's reason
 */
export async function dryRun(
  here: Here,
  links: readonly Link[],
  { signal, onProgress }: WorkOptions<ReplicateProgress>,
): Promise<ReplicateReport> {
  const tally = new DifferenceTally();
  const failures: ReplicateReport['failures'][number][] = [];
  let references = 0;
  const progress = () => ({ references, referencesDone: references, sentBytes: 0 });
  for (const link of links) {
    let at = '';
    try {
      for await (const { repository, compared, differences } of changesOf(here, link, signal)) {
        at = repository;
        references += compared;
        tally.add(differences);
        onProgress(progress());
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof UpstreamError)) throw error;
      failures.push({ peer: link.peer.name, reference: at, error: describeError(error).error });
    }
  }
  signal.throwIfAborted();
  return { ...progress(), isDryRun: true, isWaitedFor: false, differences: tally.named, failures };
}

async function* changesOf(here: Here, link: Link, signal: AbortSignal): AsyncGenerator<Changes, void> {
  const scope = scopeOf(link.rule);
  for await (const repository of matchingRepositories(here, scope)) {
    yield { repository, compared: 0, differences: [] };
    for await (const page of compareRepository({ here, link, scope, repository }, signal))
      yield { repository, ...page };
  }
  for await (const page of overdueDeletions({ here, link, scope }, signal)) {
    const repository = page[0]?.repository ?? '';
    yield { repository, compared: 0, differences: page.map((tag) => deletionOf(link, tag)) };
  }
}

function deletionOf({ rule, peer }: Link, { repository, tag, there }: SurvivingTag): Difference {
  return { rule: rule.name, peer: peer.name, repository, tag, kind: 'deleted', there };
}
