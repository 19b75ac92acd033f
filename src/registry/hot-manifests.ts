import { LRUCache } from 'lru-cache';
import type { ContentStore } from '../content/content-store.ts';
import { matchesDigest, type Digest } from '../oci/digest.ts';

/** Manifests' bytes: from memory when they were asked for lately, else from the store, checked as they are read. */
export class HotManifests {
  readonly #store: ContentStore;
  readonly #bytes: LRUCache<Digest, Uint8Array>;

  /** @param maxBytes memory that it may use */
  constructor(store: ContentStore, maxBytes: number) {
    this.#store = store;
    this.#bytes = new LRUCache({
      maxSize: Math.max(1, maxBytes),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
    });
  }

  /** What is in memory, for those who cannot wait. */
  peek(digest: Digest): Uint8Array | undefined {
    return this.#bytes.get(digest);
  }

  /** Undefined when the store does not have it, or has something else in its place. */
  async get(digest: Digest, sizeBytes: number): Promise<Uint8Array | undefined> {
    const hot = this.#bytes.get(digest);
    if (hot) return hot;
    await using file = await this.#store.open(digest);
    // A damaged file may have any size.
    if (!file || file.sizeBytes !== sizeBytes) return undefined;
    const bytes = new Uint8Array(sizeBytes);
    const read = await file.read(bytes, 0);
    if (read !== bytes.length || !matchesDigest(bytes, digest)) return undefined;
    this.#bytes.set(digest, bytes);
    return bytes;
  }

  set(digest: Digest, bytes: Uint8Array): void {
    this.#bytes.set(digest, bytes);
  }

  forget(digest: Digest): void {
    this.#bytes.delete(digest);
  }
}
