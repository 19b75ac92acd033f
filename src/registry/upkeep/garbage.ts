import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentStore } from '../../content/content-store.ts';
import type { MetadataIndex, Root } from '../../metadata/metadata-index.ts';
import type { GarbageReport } from '../operations/operations.ts';
import type { WantedBlobs } from '../pushing/wanted-blobs.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { Pins } from '../space/pins.ts';
import type { Removal } from '../space/removal.ts';

/** What pushes that are under way need. */
interface PushesUnderWay {
  /** Repositories, by their names in full, that blobs are being uploaded to: not those of uploads that were abandoned. */
  readonly repositories: ReadonlySet<string>;
}

export interface GarbageOptions {
  readonly uploads: PushesUnderWay;
  readonly wanted: WantedBlobs;
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly budget: DiskBudget;
  readonly removal: Removal;
  readonly pins: Pins;
}

const PAGE = 200;
const SWEEP = 200;

/**
 * Removes what nothing refers to, beside everything else. Pushes send blobs first and the manifest that lists them last; a
 * client counts on a blob from when it was told that it is there, be it for having sent it, mounted it or asked for it.
 * Each of these counts as a use, and what was used within the grace period stays; so does what a client was told of after
 * the uses were read (`wanted`), and all of a repository that uploads are under way to. What goes nevertheless was told of
 * so long ago that its push is over; should it go on after all, its manifest is refused for the blob that is missing, and
 * sending that again mends it. A manifest that comes in between is no harm: the index removes only what nothing lists.
 */
export class Garbage {
  readonly #options: GarbageOptions;

  constructor(options: GarbageOptions) {
    this.#options = options;
  }

  /** @param graceMs what is younger may be about to be needed, and stays */
  async collect({
    isDryRun,
    graceMs,
    namelessGraceMs = graceMs,
  }: {
    isDryRun: boolean;
    graceMs: number;
    namelessGraceMs?: number;
  }): Promise<GarbageReport> {
    const before = Date.now() - graceMs;
    await this.#options.index.flushUses();
    const named = await this.#collectLoose(undefined, before, isDryRun);
    const nameless = await this.#collectLoose('', Date.now() - namelessGraceMs, isDryRun);
    const ingests = await this.#collectIngests(before, isDryRun);
    const debris = await this.#collectDebris(before, isDryRun);
    return {
      isDryRun,
      looseBlobs: named.count + nameless.count,
      interruptedIngests: ingests.count,
      debris: debris.count,
      rows: isDryRun ? 0 : await this.#sweep(),
      freedBytes: named.bytes + nameless.bytes + ingests.bytes + debris.bytes,
    };
  }

  /**
   * Blobs that stand in their repository by themselves: no manifest of it refers to them.
   * @param repository undefined: all that have a name
   */
  async #collectLoose(
    repository: string | undefined,
    beforeMs: number,
    isDryRun: boolean,
  ): Promise<{ count: number; bytes: number }> {
    const { index, removal, pins, uploads, wanted } = this.#options;
    const collected = { count: 0, bytes: 0 };
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const scope = repository === undefined ? {} : { repository };
      const page: Root[] = await index.listRoots({ ...scope, limit: PAGE, ...(after && { after }) });
      const { repositories } = uploads;
      const loose = page.filter(
        (root) =>
          !root.isManifest &&
          root.usedAtMs < beforeMs &&
          !pins.has(root) &&
          !repositories.has(root.repository) &&
          !wanted.has(root.repository, root.digest),
      );
      collected.count += loose.length;
      if (isDryRun) collected.bytes += loose.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      else if (loose.length > 0) collected.bytes += (await removal.drop(loose, 'garbage')).bytes;
      after = page.at(-1);
      if (!after) return collected;
      await nextTurn();
    }
  }

  async #collectIngests(beforeMs: number, isDryRun: boolean): Promise<{ count: number; bytes: number }> {
    const { store, budget } = this.#options;
    const old = (await store.interrupted()).filter(({ atMs }) => isOld(atMs, beforeMs));
    const collected = { count: 0, bytes: 0 };
    for (const { digest, sizeBytes } of old) {
      if (!isDryRun) {
        // Somebody may have taken it up again since: then it stays.
        const isGone = await store.discardInterrupted(digest).then(
          () => true,
          () => false,
        );
        if (!isGone) continue;
        budget.unpark(digest);
      }
      collected.count += 1;
      collected.bytes += sizeBytes;
    }
    return collected;
  }

  async #collectDebris(beforeMs: number, isDryRun: boolean): Promise<{ count: number; bytes: number }> {
    const { store, budget } = this.#options;
    const old = (await store.debris()).filter(({ atMs }) => isOld(atMs, beforeMs));
    if (!isDryRun) {
      for (const { name } of old) await store.removeDebris(name);
      await budget.measureDebris();
    }
    return { count: old.length, bytes: old.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  }

  async #sweep(): Promise<number> {
    let rows = 0;
    for (;;) {
      const swept = await this.#options.index.sweep(SWEEP);
      rows += swept;
      if (swept < SWEEP) return rows;
      await nextTurn();
    }
  }
}

/** A clock that was set back makes files of the future: they are not young. */
function isOld(atMs: number, beforeMs: number): boolean {
  const nowMs = Date.now();
  return atMs < beforeMs || atMs - nowMs > nowMs - beforeMs;
}
