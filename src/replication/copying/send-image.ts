import type { Digest } from '../../oci/digest.ts';
import type { LocalManifest } from '../../registry/local-content.ts';
import type { PushOrigin, TakenManifest } from '../../upstream/peer.ts';
import { mapAtOnce } from '../comparing/at-once.ts';
import type { CopyTask } from './copy-task.ts';
import type { GatheredImage, ImagePart } from './gather-image.ts';
import { isMirroredThere } from './is-mirrored-there.ts';
import { putByDigest } from './put-manifest.ts';
import { blobsOf, describeMissing, sendBlobs } from './send-blobs.ts';

/** An image on its way. */
export interface ImageToSend {
  readonly gathered: GatheredImage;
  /** Of its manifests. */
  readonly origin: PushOrigin;
  /** Does the peer have the root? Undefined: it has to be asked. */
  readonly isThere: boolean | undefined;
  /** How the root is put when all else is there. @returns undefined: nothing was to be done */
  readonly putRoot: () => Promise<TakenManifest | undefined>;
}

export interface SentImage {
  /** Its manifests that the peer has now. */
  readonly there: ReadonlySet<Digest>;
  /** What is neither there nor here, in words; then the root was not put. */
  readonly missing: readonly string[];
  readonly taken?: TakenManifest;
}

/** An index was put without some of its children. The cause says why it was not taken. */
export class SparseIndexError extends Error {
  override readonly name = 'SparseIndexError';
}

/**
 * Sends an image: blobs first, then manifests, each after what it lists, the root last. What is missing holds up only the
 * manifests above it.
 * @throws UpstreamError, RegistryError, SparseIndexError
 */
export async function sendImage(task: CopyTask, image: ImageToSend): Promise<SentImage> {
  const { gathered, origin } = image;
  const { root, parts } = gathered;
  const there = await findThere(task, image);
  const blobs = await sendBlobs(task, await incompleteImages(task, parts, there));
  const manifests = gathered.missing.map(({ digest, reason }) => describeMissing('manifest', digest, reason));
  const missing = [...new Set([...manifests, ...[...blobs.values()].flat()])];
  const held = new Set([...blobs.keys(), ...gathered.missing.map(({ parent }) => parent)]);
  for (const part of parts) {
    const { digest } = part.manifest;
    const isHeld = held.has(digest) || part.children.some((child) => !there.has(child.manifest.digest));
    if (there.has(digest) || isHeld || part === root) continue;
    task.signal.throwIfAborted();
    await ofIndex(part, () => putByDigest(task, part.manifest, origin));
    there.add(digest);
  }
  if (missing.length > 0) return { there, missing };
  const taken = await ofIndex(root, image.putRoot);
  there.add(root.manifest.digest);
  return { there, missing, ...(taken && { taken }) };
}

/** Which of its manifests the peer has. An index that is there says nothing of its children. */
async function findThere(task: CopyTask, { gathered, isThere }: ImageToSend): Promise<Set<Digest>> {
  const { peer, path, memory, signal } = task;
  const found = await mapAtOnce(gathered.parts, signal, async ({ manifest: { digest } }, either) => {
    const known = digest === gathered.root.manifest.digest ? isThere : undefined;
    const reference = { kind: 'digest', digest } as const;
    if (known ?? (await peer.headManifest(path, reference, { ...task.call, signal: either }))) return [digest];
    memory.forgetHolder(digest, path);
    return [];
  });
  for (const digest of found.flat()) memory.noteHolder(digest, path);
  return new Set(found.flat());
}

/** Images, and indexes that list blobs, whose blobs the peer may lack. */
async function incompleteImages(
  task: CopyTask,
  parts: readonly ImagePart[],
  there: ReadonlySet<Digest>,
): Promise<readonly LocalManifest[]> {
  const images = parts.map(({ manifest }) => manifest).filter((manifest) => blobsOf(manifest).length > 0);
  const absent = images.filter(({ digest }) => !there.has(digest));
  return absent.length < images.length && (await isMirroredThere(task)) ? images : absent;
}

async function ofIndex<Value>({ isSparse }: ImagePart, put: () => Promise<Value>): Promise<Value> {
  try {
    return await put();
  } catch (cause) {
    if (!isSparse) throw cause;
    throw new SparseIndexError('an index was not taken', { cause });
  }
}
