import pLimit from 'p-limit';
import type { Digest } from '../../oci/digest.ts';
import { isForeignLayerType } from '../../oci/media-types.ts';
import type { LocalManifest } from '../../registry/local-content.ts';
import type { CopyTask } from './copy-task.ts';
import { sendBlob } from './send-blob.ts';

/**
 * Sends configs and layers of images, each blob once, some beside each other.
 * @returns what is neither there nor here, by the image that has it
 * @throws the first failure, when nothing is under way any more
 */
export async function sendBlobs(
  task: CopyTask,
  images: readonly LocalManifest[],
): Promise<ReadonlyMap<Digest, readonly string[]>> {
  const missing = await sendEach(task, new Set(images.flatMap(blobsOf)));
  const byImage = new Map<Digest, string[]>();
  for (const image of images) {
    const own = blobsOf(image).flatMap((digest) => missing.get(digest) ?? []);
    if (own.length > 0) byImage.set(image.digest, own);
  }
  return byImage;
}

/** @returns what is missing, in words */
async function sendEach(task: CopyTask, digests: ReadonlySet<Digest>): Promise<Map<Digest, string>> {
  const limit = pLimit(task.memory.maxConnections);
  const missing = new Map<Digest, string>();
  let isFailed = false;
  const outcomes = await Promise.allSettled(
    [...digests].map((digest) =>
      limit(async () => {
        // What is under way may end well; nothing more is begun.
        if (isFailed) return;
        try {
          const outcome = await sendBlob(task, digest);
          if (outcome.kind === 'missing') missing.set(digest, describeMissing('blob', digest, outcome.reason));
        } catch (error) {
          isFailed = true;
          throw error;
        }
      }),
    ),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return missing;
}

/** For people: what is not here, and why it could not be fetched. */
export function describeMissing(what: 'blob' | 'manifest', digest: Digest, reason: string | undefined): string {
  return reason === undefined ? `${what} ${digest}` : `${what} ${digest} (${reason})`;
}

/** What a manifest has itself, without layers that live elsewhere by design. */
export function blobsOf({ parsed }: LocalManifest): Digest[] {
  return parsed.references.flatMap(({ role, digest, mediaType }) =>
    role === 'config' || (role === 'layer' && !isForeignLayerType(mediaType)) ? [digest] : [],
  );
}
