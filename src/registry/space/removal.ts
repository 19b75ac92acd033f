import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentStore } from '../../content/content-store.ts';
import type { DoomedContent, DoomedIndex, Root, RootIndex } from '../../metadata/metadata-index.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';

export interface RemovalOptions {
  readonly store: Pick<ContentStore, 'remove'>;
  readonly index: Pick<RootIndex, 'dropRoots' | 'previewDrop'> & DoomedIndex;
  /** One at a time for each digest: storing it, and removing it. */
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
}

/** Why something is removed. */
export type RemovalCause = 'evicted' | 'purged' | 'garbage' | 'deleted';

/** What was freed. */
export interface Freed {
  readonly blobs: number;
  readonly bytes: number;
}

/** What was left doomed by a crash is settled in batches of this size. */
const BATCH = 500;
/** Looked at in one transaction that is then taken back: some 100 ms. */
const PREVIEW_BATCH = 300;

/**
 * Takes images out of index and store: first the rows, in one transaction that also notes which files have to go, then
 * the files. A crash in between leaves files that are noted, and {@link settleAll} removes them at the next start.
 */
export class Removal {
  readonly #options: RemovalOptions;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** Removes images with whatever only they need. */
  async drop(
    roots: readonly Pick<Root, 'repository' | 'digest' | 'tags' | 'isManifest'>[],
    cause: RemovalCause,
  ): Promise<Freed> {
    const { index, telemetry } = this.#options;
    const doomed = await index.dropRoots(roots);
    if (cause === 'evicted' || cause === 'purged') {
      for (const { repository, digest, tags, isManifest } of roots)
        if (isManifest) telemetry.imageRemoved({ repository, digest, tags, cause });
    }
    return this.settle(doomed, cause);
  }

  /** Removes the files of content that left the index. */
  async settle(doomed: readonly DoomedContent[], cause: RemovalCause): Promise<Freed> {
    const freed = await this.#settle(doomed);
    this.#options.telemetry.contentRemoved({ ...freed, cause });
    return freed;
  }

  /** What {@link drop} would free: exactly for some hundred images, for more of them not counting what they share. */
  async preview(roots: readonly Pick<Root, 'repository' | 'digest'>[]): Promise<Freed> {
    const freed = { blobs: 0, bytes: 0 };
    for (let start = 0; start < roots.length; start += PREVIEW_BATCH) {
      const doomed = await this.#options.index.previewDrop(roots.slice(start, start + PREVIEW_BATCH));
      freed.blobs += doomed.length;
      freed.bytes += doomed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      await nextTurn();
    }
    return freed;
  }

  /** Removes the files that an earlier run had noted and did not come to remove. */
  async settleAll(): Promise<Freed> {
    const freed = { blobs: 0, bytes: 0 };
    for (;;) {
      const doomed = await this.#options.index.listDoomed(BATCH);
      if (doomed.length === 0) return freed;
      const { blobs, bytes } = await this.#settle(doomed);
      freed.blobs += blobs;
      freed.bytes += bytes;
    }
  }

  async #settle(doomed: readonly DoomedContent[]): Promise<Freed> {
    const { store, index, locks } = this.#options;
    return locks.runAll(
      doomed.map(({ digest }) => digest),
      async () => {
        // A download may have stored some of it anew meanwhile.
        const wanted: DoomedContent[] = [];
        for (const content of doomed) if (await index.isDoomed(content.digest)) wanted.push(content);
        const outcomes = await Promise.allSettled(wanted.map(({ digest }) => store.remove(digest)));
        const gone = wanted.filter((_, position) => outcomes[position]?.status === 'fulfilled');
        await index.settleDoomed(gone.map(({ digest }) => digest));
        // What stays is noted as doomed, and goes at the next start.
        for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
        return { blobs: gone.length, bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
      },
    );
  }
}
