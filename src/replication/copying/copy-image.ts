import type { LocalManifest } from '../../registry/local-content.ts';
import type { PushOrigin, TakenManifest } from '../../upstream/peer.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { CopyTask } from './copy-task.ts';
import { gatherImage, type GatheredImage } from './gather-image.ts';
import { sendImage, type SentImage, SparseIndexError } from './send-image.ts';

/** An image that is to be at the peer. */
export interface ImageToCopy {
  readonly manifest: LocalManifest;
  readonly origin: PushOrigin;
  /** Does the peer have the root? Undefined: it has to be asked, unless it is put anyway. */
  readonly isThere: boolean | undefined;
  /** May an index be without some of the children that the rule is about, because they are not here? */
  readonly mayLack: boolean;
  /** How the root is put when all else is there. @returns undefined: nothing was to be done */
  readonly putRoot: () => Promise<TakenManifest | undefined>;
}

/** Said of what an index lists, or of nothing in particular. */
const ABOUT_CHILDREN: ReadonlySet<string> = new Set([
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_UNKNOWN',
  'MANIFEST_INVALID',
  'BLOB_UNKNOWN',
  'UNKNOWN',
]);

/**
 * Copies an image. Of an index the chosen children go with it, or all of them to a peer that takes it only so, which is
 * found out once.
 * @throws UpstreamError, RegistryError
 */
export async function copyImage(task: CopyTask, image: ImageToCopy): Promise<SentImage> {
  const { memory } = task;
  const gathered = await gather(task, image, false);
  const isPutSparse = !image.isThere && gathered.missing.length === 0 && gathered.parts.some((part) => part.isSparse);
  if (isPutSparse && memory.isSparseRefused) return copyWhole(task, image, undefined);
  try {
    return await sendImage(task, { ...image, gathered });
  } catch (error) {
    if (!(error instanceof SparseIndexError)) throw error;
    if (!isSparseRefusal(error.cause)) throw error.cause;
    return copyWhole(task, image, error.cause);
  }
}

/** @param refusal what the peer said when it was sent a part; undefined: it is known without asking */
async function copyWhole(task: CopyTask, image: ImageToCopy, refusal: UpstreamError | undefined): Promise<SentImage> {
  const { memory, tally, telemetry, peer } = task;
  const gathered = await gather(task, image, true);
  // What an upstream could not give just now is waited for.
  const never = gathered.missing.find(({ reason }) => reason === undefined);
  if (never) {
    const more = gathered.missing.length > 1 ? ` and ${gathered.missing.length - 1} more` : '';
    const message = `it takes indexes only with all their manifests, and ${never.digest}${more} of ${never.parent} is not here`;
    const { status, reason } = refusal ?? {};
    throw new UpstreamError('REFUSED', peer.name, message, {
      ...(status !== undefined && { status }),
      reason,
      cause: refusal,
    });
  }
  const sent = await sendImage(task, { ...image, gathered });
  tally.isSparseRefused = true;
  if (!refusal || sent.missing.length > 0) return sent;
  telemetry.log.info(
    { peer: peer.name, reason: refusal.message },
    'the peer takes indexes only with all their manifests',
  );
  memory.noteSparseRefused();
  return sent;
}

function gather(task: CopyTask, { manifest, mayLack, isThere }: ImageToCopy, isWhole: boolean): Promise<GatheredImage> {
  const options = { isWhole, mayLack: mayLack && !isWhole, mayBeEmpty: isThere === true };
  return gatherImage(task, manifest, options);
}

function isSparseRefusal(error: unknown): error is UpstreamError {
  if (!(error instanceof UpstreamError)) return false;
  const { code, status, reason } = error;
  if (code !== 'REFUSED' && code !== 'NOT_FOUND') return false;
  return reason === undefined ? status === 400 || status === 404 : ABOUT_CHILDREN.has(reason);
}
