import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentStore } from '../../content/content-store.ts';
import type { DoomedContent, DoomedIndex, Root, RootIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
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

/** A file that the disk did not let go. */
interface Failure {
  readonly digest: Digest;
  readonly error: unknown;
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

  /**
   * Removes the files that an earlier run had noted and did not come to remove. Those that the disk refuses to let go stay
   * noted, and keep nothing else from being done.
   */
  async settleAll(): Promise<Freed> {
    const { index } = this.#options;
    const freed = { blobs: 0, bytes: 0 };
    const stuck = new Set<Digest>();
    while (stuck.size < BATCH) {
      const doomed = (await index.listDoomed(BATCH + stuck.size)).filter(({ digest }) => !stuck.has(digest));
      if (doomed.length === 0) break;
      const { blobs, bytes, failures } = await this.#remove(doomed);
      freed.blobs += blobs;
      freed.bytes += bytes;
      for (const { digest } of failures) stuck.add(digest);
      this.#complain(failures);
    }
    return freed;
  }

  /** What stays is noted as doomed, and goes at the next start. @throws where nothing goes: more would be as futile */
  async #settle(doomed: readonly DoomedContent[]): Promise<Freed> {
    const { blobs, bytes, failures } = await this.#remove(doomed);
    if (blobs === 0) for (const { error } of failures) throw error;
    this.#complain(failures);
    return { blobs, bytes };
  }

  #complain(failures: readonly Failure[]): void {
    const { log } = this.#options.telemetry;
    for (const { digest, error } of failures) {
      log.error({ digest, ...describeError(error) }, 'a file that is to go cannot be removed');
    }
  }

  async #remove(doomed: readonly DoomedContent[]): Promise<Freed & { failures: readonly Failure[] }> {
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
        const failures = wanted.flatMap(({ digest }, position): Failure[] => {
          const outcome = outcomes[position];
          return outcome?.status === 'rejected' ? [{ digest, error: outcome.reason }] : [];
        });
        return { blobs: gone.length, bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), failures };
      },
    );
  }
}
