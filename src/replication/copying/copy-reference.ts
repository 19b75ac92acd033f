import { compareChanges } from '../../metadata/last-writer.ts';
import { digestOf, type Digest } from '../../oci/digest.ts';
import type { LocalManifest } from '../../registry/local-content.ts';
import type { PushOrigin, TakenManifest } from '../../upstream/peer.ts';
import { targetThere } from '../comparing/look-at-peer.ts';
import { isReferrersTag } from './attached-tags.ts';
import type { TakesArtifact } from './artifact-filter.ts';
import { copyImage } from './copy-image.ts';
import type { CopyTask } from './copy-task.ts';
import { findManifest } from './find-content.ts';
import { inTurn } from './in-turn.ts';
import { ensureListed, putByDigest, putByTag } from './put-manifest.ts';
import { adding, changeReferrersTag, entriesOf } from './referrers-tag.ts';
import { describeMissing } from './send-blobs.ts';
import type { SentImage } from './send-image.ts';

/** What became of one reference. */
export interface CopiedReference {
  /** `done`: the peer has it, or the rule is not about it. */
  readonly outcome: 'done' | 'kept' | 'vanished' | 'incomplete';
  readonly digest: Digest | undefined;
  /** Manifests of it that the peer has. */
  readonly there: ReadonlySet<Digest>;
  /** What is neither there nor here. */
  readonly missing: readonly string[];
}

const NOTHING: Pick<CopiedReference, 'there' | 'missing'> = { there: new Set(), missing: [] };

/**
 * Lets a tag at the peer point at what it points at here, when all of that is there. Jobs of the same tag take turns.
 * @param takes of another artifact nothing is sent
 * @throws UpstreamError, RegistryError, MetadataError
 */
export function copyTag(task: CopyTask, tag: string, takes: TakesArtifact): Promise<CopiedReference> {
  const { memory, path, signal } = task;
  return inTurn(
    (hold) => memory.turns.run(`tag ${path}:${tag}`, hold),
    signal,
    () => copyTagInTurn(task, tag, takes),
  );
}

/**
 * Sends a manifest, and what is below it, by its digest. @param takes of another artifact nothing is sent
 * @throws UpstreamError, RegistryError, MetadataError
 */
export async function copyDigest(task: CopyTask, digest: Digest, takes: TakesArtifact): Promise<CopiedReference> {
  const { index, repository, local, origin, path, peer, call } = task;
  const { found: manifest, reason } = await findManifest(task, digest);
  if (!manifest) return (await index.findManifest(repository, digest)) ? lost(digest, reason) : gone(digest);
  if (!takes(manifest.parsed)) return { outcome: 'done', digest, ...NOTHING };
  const isThere = (await peer.headManifest(path, { kind: 'digest', digest }, call)) !== undefined;
  const sent = await copyImage(task, {
    manifest,
    origin,
    isThere,
    mayLack: isThere || local.isSparse(repository),
    putRoot: async () => {
      await (isThere ? ensureListed(task, manifest) : putByDigest(task, manifest, origin));
      return undefined;
    },
  });
  return copied(digest, sent);
}

async function copyTagInTurn(task: CopyTask, tag: string, takes: TakesArtifact): Promise<CopiedReference> {
  const { index, repository, local, path, link, signal, site } = task;
  const state = await index.findTagState(repository, tag);
  if (!state) return gone(undefined);
  const { digest } = state;
  const { found: manifest, reason } = await findManifest(task, digest);
  if (!manifest) return lost(digest, reason);
  if (!takes(manifest.parsed)) return { outcome: 'done', digest, ...NOTHING };
  const there = await targetThere(link, { path, reference: tag }, signal);
  const isThere = isSame(manifest, there?.digest);
  // By an earlier change: what is changed there next would seem to be at odds with ours.
  const isBehind = there?.origin !== undefined && compareChanges(there.origin, state) < 0;
  const { base, clock, sequence } = state;
  const origin: PushOrigin = { site: state.site, sequence, clock };
  const sent = await copyImage(task, {
    manifest,
    origin,
    isThere: isThere || undefined,
    // What came here as a part of what another site has is passed on as such.
    mayLack: isThere || local.isSparse(repository) || state.site !== site,
    putRoot: async () =>
      isThere && !isBehind
        ? ensureListed(task, manifest).then(() => undefined)
        : putTag(task, tag, manifest, { ...origin, ...(base !== undefined && { base }) }),
  });
  return copied(digest, sent);
}

/** The list of referrers in a registry that keeps none by itself is everyone's: what others have added to it stays. */
async function putTag(
  task: CopyTask,
  tag: string,
  manifest: LocalManifest,
  origin: PushOrigin,
): Promise<TakenManifest | undefined> {
  const entries = isReferrersTag(tag) && task.memory.hasReferrersApi === false ? entriesOf(manifest.bytes) : undefined;
  if (!entries) return putByTag(task, tag, manifest, origin);
  await changeReferrersTag(task, tag, adding(entries));
  return undefined;
}

/** A registry gives a manifest that came by a tag the sha256 digest of its bytes. */
function isSame({ digest, bytes }: LocalManifest, there: Digest | undefined): boolean {
  return there === digest || (there !== undefined && there === digestOf(bytes));
}

function copied(digest: Digest, { there, missing, taken }: SentImage): CopiedReference {
  if (missing.length > 0) return { outcome: 'incomplete', digest, there, missing };
  return { outcome: taken?.kept === undefined ? 'done' : 'kept', digest, there, missing };
}

/** The index has it, and its bytes are not what they should be, or not there. */
function lost(digest: Digest, reason: string | undefined): CopiedReference {
  return { ...NOTHING, outcome: 'incomplete', digest, missing: [describeMissing('manifest', digest, reason)] };
}

function gone(digest: Digest | undefined): CopiedReference {
  return { ...NOTHING, outcome: 'vanished', digest };
}
