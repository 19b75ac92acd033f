import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentStore } from '../../content/content-store.ts';
import type { MetadataIndex, Root } from '../../metadata/metadata-index.ts';
import type { GarbageReport } from '../operations/operations.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { Removal } from '../space/removal.ts';

export interface GarbageOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly budget: DiskBudget;
  readonly removal: Removal;
}

const PAGE = 200;
const SWEEP = 200;

/** Removes what nothing refers to. */
export class Garbage {
  readonly #options: GarbageOptions;

  constructor(options: GarbageOptions) {
    this.#options = options;
  }

  /** @param graceMs what is younger may be about to be needed, and stays */
  async collect({ isDryRun, graceMs }: { isDryRun: boolean; graceMs: number }): Promise<GarbageReport> {
    const before = Date.now() - graceMs;
    await this.#options.index.flushUses();
    const loose = await this.#collectLoose(before, isDryRun);
    const ingests = await this.#collectIngests(before, isDryRun);
    const debris = await this.#collectDebris(before, isDryRun);
    return {
      isDryRun,
      looseBlobs: loose.count,
      interruptedIngests: ingests.count,
      debris: debris.count,
      rows: isDryRun ? 0 : await this.#sweep(),
      freedBytes: loose.bytes + ingests.bytes + debris.bytes,
    };
  }

  /** Blobs that stand in their repository by themselves: no manifest of it refers to them. */
  async #collectLoose(beforeMs: number, isDryRun: boolean): Promise<{ count: number; bytes: number }> {
    const { index, removal } = this.#options;
    const collected = { count: 0, bytes: 0 };
    for (const repository of ['', undefined]) {
      let after: { repository: string; digest: string } | undefined;
      for (;;) {
        const page: Root[] = await index.listRoots({
          limit: PAGE,
          ...(after && { after }),
          ...(repository !== undefined && { repository }),
        });
        const loose = page.filter(({ isManifest, usedAtMs }) => !isManifest && usedAtMs < beforeMs);
        collected.count += loose.length;
        if (isDryRun) collected.bytes += loose.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        else if (loose.length > 0) collected.bytes += (await removal.drop(loose, 'garbage')).bytes;
        after = page.at(-1);
        if (!after) break;
        await nextTurn();
      }
    }
    return collected;
  }

  async #collectIngests(beforeMs: number, isDryRun: boolean): Promise<{ count: number; bytes: number }> {
    const { store, budget } = this.#options;
    const old = (await store.interrupted()).filter(({ atMs }) => atMs < beforeMs);
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
    const old = (await store.debris()).filter(({ atMs }) => atMs < beforeMs);
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
