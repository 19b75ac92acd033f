import { digestAlgorithm, type Digest } from '../../oci/digest.ts';
import type { ParsedManifest } from '../../oci/manifest.ts';
import type { Reference } from '../../oci/reference.ts';
import type { LocalManifest } from '../../registry/local-content.ts';
import type { PushOrigin, TakenManifest } from '../../upstream/peer.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import { referrersTagOf } from './attached-tags.ts';
import type { CopyTask } from './copy-task.ts';
import { inTurn } from './in-turn.ts';
import { adding, changeReferrersTag, referrerEntry } from './referrers-tag.ts';

/** The manifest that another one is about. */
export function subjectOf({ references }: ParsedManifest): Digest | undefined {
  return references.find(({ role }) => role === 'subject')?.digest;
}

/** Puts a manifest whose content is there, unless another job did so just now. @throws UpstreamError, RegistryError */
export async function putByDigest(task: CopyTask, manifest: LocalManifest, origin: PushOrigin): Promise<void> {
  const { memory, path, signal } = task;
  const { digest } = manifest;
  await inTurn(
    (hold) => memory.turns.run(digest, hold),
    signal,
    async () => {
      if (memory.holdersOf(digest).includes(path)) return;
      await put(task, { kind: 'digest', digest }, manifest, origin);
    },
  );
}

/** Lets a tag point at it. @throws UpstreamError, RegistryError */
export async function putByTag(
  task: CopyTask,
  tag: string,
  manifest: LocalManifest,
  origin: PushOrigin,
): Promise<TakenManifest> {
  // What is put by a tag gets the sha256 digest of its bytes.
  if (digestAlgorithm(manifest.digest) !== 'sha256') await putByDigest(task, manifest, origin);
  return put(task, { kind: 'tag', tag }, manifest, origin);
}

/** Sees to it that a manifest that is there is listed as a referrer of its subject. @throws UpstreamError, RegistryError */
export async function ensureListed(task: CopyTask, manifest: LocalManifest): Promise<void> {
  const { memory, peer, call, origin } = task;
  const { digest, parsed } = manifest;
  const subject = subjectOf(parsed);
  if (!subject || memory.hasReferrersApi === true) return;
  if (memory.hasReferrersApi === false) return list(task, manifest, subject);
  if (await memory.isEntrepot(peer, call)) memory.hasReferrersApi = true;
  // Whether it keeps the list itself it tells only who puts such a manifest.
  else await put(task, { kind: 'digest', digest }, manifest, origin);
}

async function put(
  task: CopyTask,
  reference: Reference,
  manifest: LocalManifest,
  origin: PushOrigin,
): Promise<TakenManifest> {
  const { peer, path, call, memory, tally } = task;
  const { digest, bytes, mediaType, parsed } = manifest;
  let taken: TakenManifest;
  try {
    taken = await peer.putManifest(path, reference, { bytes, mediaType }, { ...call, origin });
  } catch (error) {
    if (error instanceof UpstreamError && error.status !== undefined) tally.sent(bytes.length);
    throw error;
  }
  tally.sent(bytes.length);
  tally.sentManifests += 1;
  memory.noteHolder(digest, path);
  const subject = subjectOf(parsed);
  if (!subject) return taken;
  memory.hasReferrersApi = taken.subject !== undefined;
  if (!memory.hasReferrersApi) await list(task, manifest, subject);
  return taken;
}

function list(task: CopyTask, manifest: LocalManifest, subject: Digest): Promise<void> {
  return changeReferrersTag(task, referrersTagOf(subject), adding([referrerEntry(manifest)]));
}
