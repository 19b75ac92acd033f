import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';

const MAX_BLOBS = 100_000;
/** Longer than garbage collection takes from looking at a blob to removing it. */
const REMEMBER_MS = 10 * 60_000;

/**
 * Blobs of hosted repositories that clients were told to be there a moment ago, before any manifest lists them: who is
 * told counts on it. Whoever tells notes it first and looks then; whoever removes looks here last. In memory, for the
 * index gathers uses and writes them later.
 */
export class WantedBlobs {
  readonly #blobs = new LRUCache<string, true>({ max: MAX_BLOBS, ttl: REMEMBER_MS });

  /** @param repository its name in full */
  note(repository: string, digest: Digest): void {
    this.#blobs.set(`${repository}@${digest}`, true);
  }

  has(repository: string, digest: Digest): boolean {
    return this.#blobs.has(`${repository}@${digest}`);
  }
}
