import { LRUCache } from 'lru-cache';
import type { ContentStore } from '../../content/content-store.ts';
import type { BlobIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import type { DiskBudget } from '../space/disk-budget.ts';

export interface LostContentOptions {
  readonly store: ContentStore;
  readonly index: BlobIndex;
  readonly budget: DiskBudget;
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
}

/** What the check of one digest came to; `gone`: the index does not say that it is stored. */
export type Finding = 'intact' | 'missing' | 'damaged' | 'gone';

const MAX_MISSED = 100_000;

/** Looks at stored content that seems wrong, and takes what is wrong out of the store, so that it is fetched anew. */
export class LostContent {
  readonly #options: LostContentOptions;
  /** What was taken out of the store and has not come back. */
  readonly #missed = new LRUCache<Digest, true>({ max: MAX_MISSED });

  constructor(options: LostContentOptions) {
    this.#options = options;
  }

  /**
   * Hashes the content again and puts it aside if it is not what it should be.
   * @param pace see {@link ContentStore.verify}
   */
  async examine(
    digest: Digest,
    noticed: 'scrub' | 'serving' | 'start',
    pace: { bytesPerSecond?: number; signal?: AbortSignal } = {},
  ): Promise<Finding> {
    const { store, index, locks } = this.#options;
    if (!(await index.findBlob('', digest)).isStored) return 'gone';
    if ((await store.verify(digest, pace)) === 'intact' && (await this.#hasRightSize(digest))) return 'intact';
    return locks.run(digest, async () => {
      // It was looked at without the lock, which may take long: meanwhile it may have been removed, or stored anew.
      if (!(await index.findBlob('', digest)).isStored) return 'gone';
      const verdict = await store.verify(digest);
      if (verdict !== 'intact') {
        await this.#putAside(digest, verdict, noticed);
        return verdict;
      }
      if (await this.#hasRightSize(digest)) return 'intact';
      // The file is right and the index is not: it is taken in anew when it is asked for.
      await index.removeBlobs([digest]);
      return 'gone';
    });
  }

  /** Content is in the store: perhaps again. */
  stored(digest: Digest, repository: string): void {
    if (this.#missed.delete(digest)) this.#options.telemetry.contentHealed({ digest, repository });
  }

  async #hasRightSize(digest: Digest): Promise<boolean> {
    const { store, index } = this.#options;
    await using file = await store.open(digest);
    return file?.sizeBytes === (await index.findBlob('', digest)).sizeBytes;
  }

  async #putAside(
    digest: Digest,
    verdict: 'missing' | 'damaged',
    noticed: 'scrub' | 'serving' | 'start',
  ): Promise<void> {
    const { store, index, budget, telemetry } = this.#options;
    await store.quarantine(digest);
    // It counts as what was put aside before it counts no more as content.
    await budget.measureDebris();
    this.#missed.set(digest, true);
    // An index that refuses costs another look at it next time, not the client its answer.
    await index.removeBlobs([digest]).catch((error: unknown) => telemetry.storeFailed({ digest, error }));
    telemetry.contentLost({ digest, reason: verdict, noticed });
  }
}
