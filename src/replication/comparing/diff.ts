import type { WorkOptions } from '../../registry/operations/operations.ts';
import type { Pace, Peer } from '../../upstream/peer.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { Difference, DiffProgress, DiffReport } from '../replication-operations.ts';
import type { ReplicationRule } from '../rule.ts';
import { compareRepository, type Pair } from './compare.ts';
import { DifferenceTally } from './difference-tally.ts';
import { foreignTags } from './gone.ts';
import type { Here } from './here.ts';
import type { Link } from './link.ts';
import { matchingRepositories } from './references.ts';
import { scopeOf } from './rule-scope.ts';
import { repositoriesWithTombstones } from './tombstones.ts';

export interface DiffRequest {
  readonly peer: Peer;
  /** Those that are compared; a reference that several are about counts for each. */
  readonly rules: readonly ReplicationRule[];
  /** For what is sent to ask the peer. */
  readonly pace?: Pace;
}

/**
 * Compares what rules send to a peer with what is there. Nothing is changed.
 * @throws UpstreamError if the peer fails, MetadataError; the signal's reason
 */
export async function diff(
  here: Here,
  { peer, rules, pace }: DiffRequest,
  { signal, onProgress }: WorkOptions<DiffProgress>,
): Promise<DiffReport> {
  const links = rules.map((rule) => ({ rule, peer, ...(pace && { pace }) }));
  const pairs = await pairsOf(here, links, signal);
  const tally = new DifferenceTally();
  let [repositoriesDone, tags, same] = [0, 0, 0];
  const progress = () => ({ repositories: pairs.length, repositoriesDone, tags });
  onProgress(progress());
  for (const pair of pairs) {
    const before = same;
    for await (const { compared, differences } of compareRepository(pair, signal)) {
      tags += compared;
      same += compared - differences.length;
      tally.add(differences);
      onProgress(progress());
    }
    for await (const differences of foreignTagsOf(pair, signal, { isAnyThere: same > before })) {
      tags += differences.length;
      tally.add(differences);
    }
    repositoriesDone += 1;
    onProgress(progress());
  }
  return { ...progress(), peer: peer.name, same, differences: tally.named, differenceCount: tally.count };
}

/** All repositories that are compared: how many there are has to be told first. @throws MetadataError; the signal's reason */
async function pairsOf(here: Here, links: readonly Link[], signal: AbortSignal): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const link of links) {
    const scope = scopeOf(link.rule);
    const names = new Set<string>();
    for (const found of [matchingRepositories(here, scope), repositoriesWithTombstones(here, scope)]) {
      for await (const repository of found) {
        signal.throwIfAborted();
        names.add(repository);
      }
    }
    for (const repository of [...names].sort()) pairs.push({ here, link, scope, repository });
  }
  return pairs;
}

/**
 * A peer that pulls through, has nothing of the repository and cannot reach its upstream fails to list it: that is no
 * failure of the peer, which has answered for each of our tags.
 */
async function* foreignTagsOf(
  pair: Pair,
  signal: AbortSignal,
  { isAnyThere }: { isAnyThere: boolean },
): AsyncGenerator<readonly Difference[], void> {
  try {
    yield* foreignTags(pair, signal);
  } catch (error) {
    const isOfItsUpstream = error instanceof UpstreamError && error.code === 'UNAVAILABLE';
    if (isAnyThere || !isOfItsUpstream) throw error;
  }
}
