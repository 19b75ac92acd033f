import type { Digest } from '../../oci/digest.ts';
import type { Reference } from '../../oci/reference.ts';
import { attachedTo } from '../../registry/pushing/choose-expired.ts';
import { findRoot } from '../../registry/pushing/look-up.ts';
import { digestThere } from '../comparing/look-at-peer.ts';
import { subjectOfTag } from './attached-tags.ts';
import type { CopiedReference } from './copy-reference.ts';
import type { CopyTask } from './copy-task.ts';
import { copyWithAttached } from './copy-with-attached.ts';
import { isMirroredThere } from './is-mirrored-there.ts';
import { subjectOf } from './put-manifest.ts';
import { describeMissing } from './send-blobs.ts';

/** What stands in the repository by itself, and the tags of it that a rule is about. */
interface Standing {
  readonly digest: Digest;
  readonly tags: readonly string[];
}

/** Images that a part is looked for in. */
const MAX_ROOTS = 100;
/** Tags of one image that are copied because of something that is a part of it. */
const MAX_TAGS = 100;

/**
 * Does what a job asks for. A part of an image comes with the image, and what is attached to a manifest comes after that:
 * where the rule is not about these it is not about the part either, and nothing is done.
 * @throws UpstreamError, RegistryError, MetadataError
 */
export async function copyJob(task: CopyTask, reference: Reference): Promise<CopiedReference> {
  if (reference.kind === 'digest') return copyManifest(task, reference.digest);
  const { rule, index, repository } = task;
  const { tag } = reference;
  if (attachedTo(tag) === undefined) return copyWithAttached(task, reference, rule.takesArtifact);
  const state = await index.findTagState(repository, tag);
  if (!state) return { outcome: 'vanished', digest: undefined, there: new Set(), missing: [] };
  const subject = subjectOfTag(tag);
  // Of a long digest the tag has only a part: nobody can tell whose it is.
  if (!subject)
    return rule.scope.takesAll ? copyWithAttached(task, reference, rule.takesArtifact) : nothing(state.digest);
  return copyAttached(task, { reference, digest: state.digest, subject });
}

/** A manifest that the job names by its digest. */
async function copyManifest(task: CopyTask, digest: Digest): Promise<CopiedReference> {
  const { local, index, repository } = task;
  const reference = { kind: 'digest', digest } as const;
  const row = await index.findManifest(repository, digest);
  if (!row) return { outcome: 'vanished', digest, there: new Set(), missing: [] };
  const manifest = await local.manifest(repository, digest);
  const subject = manifest && subjectOf(manifest.parsed);
  if (subject) return copyAttached(task, { reference, digest, subject });
  const standing = await standingOf(task, digest);
  if (!standing) return nothing(digest);
  if (standing.digest === digest) return copyWithAttached(task, reference, task.rule.takesArtifact);
  // What it is a part of has its own job.
  if (!(await isMirroredThere(task)) && (await isThere(task, digest))) return nothing(digest);
  return copyWhatHas(task, standing, digest);
}

/** Nothing is there without its subject: if need be that is copied first, and brings along what is attached to it. */
async function copyAttached(
  task: CopyTask,
  { reference, digest, subject }: { reference: Reference; digest: Digest; subject: Digest },
): Promise<CopiedReference> {
  const { index, repository, rule } = task;
  const isHere = (await index.findManifest(repository, subject)) !== undefined;
  const standing = isHere ? await standingOf(task, subject) : undefined;
  if (isHere ? !standing : !rule.scope.takesAll) return nothing(digest);
  if (await isThere(task, subject)) return copyWithAttached(task, reference);
  if (standing) return copyWhatHas(task, standing, digest);
  const missing = [`its subject: ${describeMissing('manifest', subject, undefined)}`];
  return { outcome: 'incomplete', digest, there: new Set(), missing };
}

/** The first image that has the manifest and that the rule is about; undefined: it is about none. */
async function standingOf(task: CopyTask, digest: Digest): Promise<Standing | undefined> {
  const { index, repository, signal } = task;
  const roots = await index.rootsAbove(repository, digest, MAX_ROOTS);
  for (const root of roots.length > 0 ? roots : [digest]) {
    signal.throwIfAborted();
    const standing = await standingAs(task, root);
    if (standing) return standing;
  }
  return undefined;
}

async function standingAs(task: CopyTask, root: Digest): Promise<Standing | undefined> {
  const { index, local, repository, rule } = task;
  const manifest = await local.manifest(repository, root);
  if (manifest && !rule.takesArtifact(manifest.parsed)) return undefined;
  const row = await findRoot(index, repository, root);
  const tags = (row?.tags ?? []).filter(rule.scope.takesTag).slice(0, MAX_TAGS);
  return tags.length > 0 || rule.scope.takesAll ? { digest: root, tags } : undefined;
}

/** Copies an image because of one of its parts. Where the peer has the image, its tags are none of this job's business. */
async function copyWhatHas(task: CopyTask, standing: Standing, part: Digest): Promise<CopiedReference> {
  const isKnown = standing.tags.length === 0 || (await isThere(task, standing.digest));
  const references: readonly Reference[] = isKnown
    ? [{ kind: 'digest', digest: standing.digest }]
    : standing.tags.map((tag) => ({ kind: 'tag', tag }));
  const missing: string[] = [];
  for (const reference of references) {
    const copied = await copyWithAttached(task, reference, task.rule.takesArtifact);
    missing.push(...copied.missing);
  }
  return { ...nothing(part), ...(missing.length > 0 && { outcome: 'incomplete', missing: [...new Set(missing)] }) };
}

async function isThere({ link, path, signal }: CopyTask, digest: Digest): Promise<boolean> {
  return (await digestThere(link, { path, reference: digest }, signal)) !== undefined;
}

function nothing(digest: Digest): CopiedReference {
  return { outcome: 'done', digest, there: new Set(), missing: [] };
}
