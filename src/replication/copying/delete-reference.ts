import type { TagTombstone } from '../../metadata/replication-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { isIndexType } from '../../oci/media-types.ts';
import type { Reference } from '../../oci/reference.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import { mapAtOnce } from '../comparing/at-once.ts';
import { digestThere, isManifestThere } from '../comparing/look-at-peer.ts';
import { isReferrersTag, referrersTagOf } from './attached-tags.ts';
import type { CopyTask } from './copy-task.ts';
import { inTurn } from './in-turn.ts';
import { subjectOf } from './put-manifest.ts';
import { changeReferrersTag, removing } from './referrers-tag.ts';

/**
 * `kept`: the peer's tag is another one by now, or the manifest has a tag there. `vanished`: nobody knows any more that it
 * was deleted.
 */
export type DeletionOutcome = 'deleted' | 'absent' | 'kept' | 'vanished';

/** With more tags than that nobody looks whether one of them needs the manifest. */
const MAX_TAGS = 1000;

/** Deletes at the peer what was deleted here and is not here again. @throws UpstreamError, RegistryError, MetadataError */
export function deleteReference(task: CopyTask, reference: Reference): Promise<DeletionOutcome> {
  if (reference.kind === 'digest') return deleteManifest(task, reference.digest);
  const { memory, path, signal } = task;
  const { tag } = reference;
  return inTurn(
    (hold) => memory.turns.run(`tag ${path}:${tag}`, hold),
    signal,
    () => deleteTag(task, tag),
  );
}

async function deleteTag(task: CopyTask, tag: string): Promise<DeletionOutcome> {
  const { index, repository, memory, peer, path, call, link, signal } = task;
  const tombstone = await index.findTombstone(repository, tag);
  if (!tombstone) return 'vanished';
  const { site, sequence, clock, base, digest } = tombstone;
  const reference = { kind: 'tag', tag } as const;
  const options = { ...call, origin: { site, sequence, clock, ...(base !== undefined && { base }) } };
  // A site knows itself which change was the last.
  if (await memory.isEntrepot(peer, call)) return peer.deleteManifest(path, reference, options);
  const place = { path, reference: tag };
  const there = await digestThere(link, place, signal);
  if (!there) return 'absent';
  if (!(await isManifestThere(link, { place, there, digest }, signal))) return 'kept';
  try {
    return await peer.deleteManifest(path, reference, options);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    const keeper = await keeperOf(task, { tag, there, digest });
    // Without it the manifest may go: where only that can be deleted it is the way to get rid of the tag.
    if (keeper === undefined) return removeManifest(task, there);
    const { status, reason } = error;
    throw new UpstreamError('REFUSED', peer.name, `it deletes tags only with their manifest, and ${keeper}`, {
      ...(status !== undefined && { status }),
      reason,
      cause: error,
    });
  }
}

/** What else at the peer needs the manifest of a tag that is to go, in words. Tags that are due to go as well do not. */
async function keeperOf(
  task: CopyTask,
  { tag, there, digest }: { readonly tag: string; readonly there: Digest; readonly digest: Digest },
): Promise<string | undefined> {
  const tags = await tagsThere(task, there);
  if (!tags) return 'there are too many tags to see whether another one has it';
  for (const other of tags) {
    if (other !== tag && !(await isOverdue(task, other, digest))) return `the tag ${other} has the same`;
  }
  return (await isListedThere(task, there)) ? 'an index lists it' : undefined;
}

/** Only what no tag at the peer needs: a plain registry would delete its tags with it, and what an index lists. */
async function deleteManifest(task: CopyTask, digest: Digest): Promise<DeletionOutcome> {
  const { link, path, signal, memory, peer, call } = task;
  if (!(await digestThere(link, { path, reference: digest }, signal))) return 'absent';
  const tags = await tagsThere(task, digest);
  if (!tags) return 'kept';
  const isEntrepot = await memory.isEntrepot(peer, call);
  for (const tag of tags) {
    const isDoomed = await wasDeleted(task, tag, digest);
    if (!isDoomed || (isEntrepot && (await deleteReference(task, { kind: 'tag', tag })) === 'kept')) return 'kept';
  }
  // A site knows itself what its indexes list.
  if (!isEntrepot && (await isListedThere(task, digest))) return 'kept';
  return removeManifest(task, digest);
}

/** Was the tag deleted here when it pointed at this? Then it keeps nothing at the peer. */
async function wasDeleted(task: CopyTask, tag: string, digest: Digest): Promise<boolean> {
  return (await deletionOf(task, tag, digest)) !== undefined;
}

/** The same, and its time of grace is over. */
async function isOverdue(task: CopyTask, tag: string, digest: Digest): Promise<boolean> {
  const deletion = await deletionOf(task, tag, digest);
  return deletion !== undefined && deletion.deletedAtMs + task.rule.scope.rule.graceMs <= Date.now();
}

async function deletionOf(
  { index, repository, rule }: CopyTask,
  tag: string,
  digest: Digest,
): Promise<TagTombstone | undefined> {
  const tombstone = rule.scope.takesTag(tag) ? await index.findTombstone(repository, tag) : undefined;
  return tombstone?.digest === digest ? tombstone : undefined;
}

/** Tags at the peer that point at a manifest; undefined if there are too many tags to look at. */
async function tagsThere({ peer, path, call, link, signal }: CopyTask, digest: Digest): Promise<string[] | undefined> {
  const tags = await peer.listTags(path, call);
  if (tags.length > MAX_TAGS) return undefined;
  const found = await mapAtOnce(tags, signal, async (tag, either) =>
    (await digestThere(link, { path, reference: tag }, either)) === digest ? [tag] : [],
  );
  return found.flat();
}

/** Does an index with a tag list it at the peer? There are not too many tags to look at. */
async function isListedThere({ peer, path, call, signal, memory }: CopyTask, digest: Digest): Promise<boolean> {
  const tags = (await peer.listTags(path, call)).filter((tag) => !isReferrersTag(tag));
  const found = await mapAtOnce(tags, signal, async (tag, either) => {
    const options = { ...call, signal: either };
    const head = await peer.headManifest(path, { kind: 'tag', tag }, options);
    if (head?.mediaType !== undefined && !isIndexType(head.mediaType)) return false;
    const known = head?.digest && memory.listings.get(head.digest);
    if (known) return known.has(digest);
    const index = head && (await peer.getManifest(path, { kind: 'tag', tag }, options));
    if (!index) return false;
    const { references } = parseManifest(index.bytes, index.mediaType);
    const listed = new Set(references.flatMap((each) => (each.role === 'manifest' ? [each.digest] : [])));
    memory.listings.set(index.digest, listed);
    return listed.has(digest);
  });
  return found.includes(true);
}

async function removeManifest(task: CopyTask, digest: Digest): Promise<DeletionOutcome> {
  const { peer, path, call, origin, memory } = task;
  const reference = { kind: 'digest', digest } as const;
  const subject = await subjectThere(task, digest);
  const outcome = await peer.deleteManifest(path, reference, { ...call, origin });
  memory.forgetHolder(digest, path);
  if (subject && outcome === 'deleted') await changeReferrersTag(task, referrersTagOf(subject), removing(digest));
  return outcome;
}

/** What it is listed as a referrer of, where the list is not the peer's own affair. */
async function subjectThere({ memory, peer, path, call }: CopyTask, digest: Digest): Promise<Digest | undefined> {
  if (memory.hasReferrersApi === true || (await memory.isEntrepot(peer, call))) return undefined;
  const manifest = await peer.getManifest(path, { kind: 'digest', digest }, call);
  return manifest && subjectOf(parseManifest(manifest.bytes, manifest.mediaType));
}

/** Some registries delete by digest only, and say so in one way or the other. */
function isUnsupported(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.code === 'REFUSED' && [400, 405].includes(error.status ?? 0);
}
