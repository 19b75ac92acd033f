import type { Digest } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import { isReferrersTag, subjectOfTag } from '../copying/attached-tags.ts';
import type { Difference } from '../replication-operations.ts';
import { mapAtOnce } from './at-once.ts';
import type { Pair, Sides } from './compare.ts';
import type { DeletedTag } from './jobs.ts';
import { digestThere, isManifestThere } from './look-at-peer.ts';
import { deletedTags } from './tombstones.ts';

/** A tag that was deleted here and that the peer has. */
export type SurvivingTag = DeletedTag & { readonly there: Digest };

const PAGE = 100;

/**
 * What the peer has and this site has not, of the tags that the rule is about: `deleted` what was deleted here, `extra`
 * all else. An entrepot also lists tags of an upstream that it does not hold, so each is asked for.
 * @throws UpstreamError, MetadataError; the signal's reason
 */
export async function* foreignTags(pair: Pair, signal: AbortSignal): AsyncGenerator<readonly Difference[], void> {
  const { here, link, scope, repository } = pair;
  const options = { signal, ...(link.pace && { pace: link.pace }) };
  const listed = await link.peer.listTags(scope.nameAtPeer(repository), options);
  // What came here since is not foreign.
  const known = new Set(await here.index.listTags(repository));
  const foreign = listed.filter((tag) => isTag(tag) && scope.takesTag(tag) && !known.has(tag));
  for (let start = 0; start < foreign.length; start += PAGE) {
    const page = foreign.slice(start, start + PAGE);
    const found = await mapAtOnce(page, signal, (tag, either) => judge(pair, tag, either));
    yield found.filter((difference) => difference !== undefined);
  }
}

/**
 * Tags that the rule should have deleted at the peer by now, and has not. One that points elsewhere there was set anew.
 * @throws as {@link foreignTags}
 */
export async function* overdueDeletions(
  sides: Sides,
  signal: AbortSignal,
): AsyncGenerator<readonly SurvivingTag[], void> {
  for await (const page of deletedTags(sides.here, sides.scope)) {
    const due = page.filter(({ deletedAtMs }) => deletedAtMs + sides.link.rule.graceMs <= Date.now());
    const found = await survivors(sides, due, signal);
    const isOld = await mapAtOnce(found, signal, ({ repository, tag, ...digests }, either) => {
      const place = { path: sides.scope.nameAtPeer(repository), reference: tag };
      return isManifestThere(sides.link, { place, ...digests }, either);
    });
    yield found.filter((_, position) => isOld[position]);
  }
}

/** Of deleted tags those that the peer has. @throws as {@link foreignTags} */
export async function survivors(
  { link, scope }: Pick<Sides, 'link' | 'scope'>,
  tags: readonly DeletedTag[],
  signal: AbortSignal,
): Promise<readonly SurvivingTag[]> {
  const found = await mapAtOnce(tags, signal, async (deleted, either) => {
    const path = scope.nameAtPeer(deleted.repository);
    const there = await digestThere(link, { path, reference: deleted.tag }, either);
    return there && { ...deleted, there };
  });
  return found.filter((survivor) => survivor !== undefined);
}

async function judge(
  { here, link, scope, repository }: Pair,
  tag: string,
  signal: AbortSignal,
): Promise<Difference | undefined> {
  if (await isListOfReferrers({ here, repository }, tag)) return undefined;
  const there = await digestThere(link, { path: scope.nameAtPeer(repository), reference: tag }, signal);
  if (there === undefined) return undefined;
  const wasHere = (await here.index.findTombstone(repository, tag)) !== undefined;
  const kind = wasHere ? 'deleted' : 'extra';
  return { rule: link.rule.name, peer: link.peer.name, repository, tag, kind, there };
}

/** A registry without the referrers API keeps the list under a tag of its own (distribution-spec, "Referrers Tag Schema"). */
async function isListOfReferrers(
  { here, repository }: Pick<Pair, 'here' | 'repository'>,
  tag: string,
): Promise<boolean> {
  const subject = isReferrersTag(tag) ? subjectOfTag(tag) : undefined;
  return subject !== undefined && (await here.index.findManifest(repository, subject)) !== undefined;
}
