import { setImmediate as nextTurn } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { ContentStore, InterruptedIngest } from '../../content/content-store.ts';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import { within } from '../../util/sleep.ts';
import type { Blobs } from '../blobs.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { Removal } from '../space/removal.ts';
import type { Upstreams } from '../upstreams.ts';

/** A note that every index has once it was opened. */
const WORKED_WITH = 'reconciliation.workedWith';

export interface ReconciliationOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly blobs: Blobs;
  readonly budget: DiskBudget;
  readonly removal: Removal;
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
}

/** Compared at once before others have their turn. */
const BATCH = 500;
const MAX_REPORTED = 100;
/** Interrupted downloads that go on at the same time: those that clients ask for come at once anyway. */
const RESUMED_AT_ONCE = 3;

/**
 * What a kill left of a commit counts for the quota only when it is found: a start waits for that, but not for a store of
 * millions of files.
 */
const START_MS = 1_000;

/**
 * Brings index and disk together after a start: interrupted downloads go on, files that were to be removed go, files that
 * the index does not know are taken in if they are whole, rows whose file is gone are dropped. Where that takes long it
 * goes on beside serving, which finds out for itself what it needs of this.
 */
export class Reconciliation {
  readonly #options: ReconciliationOptions;
  #interrupted: readonly InterruptedIngest[] = [];
  #agreement: Promise<void> | undefined;
  #reportedLosses = 0;
  #isIndexEmpty = false;
  readonly #stop = new AbortController();

  constructor(options: ReconciliationOptions) {
    this.#options = options;
  }

  /** Looks at what an earlier run left half done, and counts it. To be called before anything is served. */
  async prepare(): Promise<void> {
    const { store, budget, index } = this.#options;
    // One that a run has worked with may have lost all content by eviction or purge, whose files it did not come to remove.
    const isNew = (await index.readNote(WORKED_WITH)) === undefined;
    this.#isIndexEmpty = isNew && (await index.listBlobs('', 1)).length === 0;
    // On a full disk it is noted another time: what is there can be served all the same.
    if (isNew) await index.writeNote(WORKED_WITH, 'yes').catch(() => undefined);
    this.#interrupted = await store.interrupted();
    for (const parked of this.#interrupted) budget.park(parked);
    for (const { kind, name } of await store.debris()) if (kind === 'temporary') await store.removeDebris(name);
    await budget.measureDebris();
    this.#agreement = this.#agree();
    await within(START_MS, this.#agreement);
  }

  /** Interrupted downloads go on, beside serving. */
  resume(): void {
    const { blobs, telemetry, upstreams } = this.#options;
    const limit = pLimit(RESUMED_AT_ONCE);
    for (const { digest, origin } of this.#interrupted) {
      const repository = upstreams.sourcedRepository(origin);
      if (!repository) continue;
      void limit(async () => {
        if (this.#stop.signal.aborted) return;
        telemetry.log.info({ digest, repository: origin }, 'resuming an interrupted download');
        try {
          await blobs.fetch(repository, digest, 'warm');
        } catch (error) {
          // What has come stays, and the next client that wants the blob makes it go on.
          telemetry.log.warn({ digest, repository: origin, ...describeError(error) }, 'an interrupted download waits');
        }
      });
    }
  }

  /** Failures are logged, since serving does not depend on it. */
  async #agree(): Promise<void> {
    const { removal, telemetry } = this.#options;
    try {
      const { blobs: removed } = await removal.settleAll();
      telemetry.log.info({ ...(await this.#compare()), removed }, 'index and disk agree');
    } catch (error) {
      if (!this.#stop.signal.aborted) telemetry.log.error(describeError(error), 'reconciliation failed');
    }
  }

  /** Ends it; when it returns nothing is looked at any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#agreement;
  }

  /** Walks disk and index side by side, both in order, so that neither has to fit into memory. */
  async #compare(): Promise<{ onDisk: number; adopted: number; lost: number }> {
    const rows = this.#rows();
    let row = (await rows.next()).value;
    const seen = { onDisk: 0, adopted: 0, lost: 0 };
    let missing: Digest[] = [];
    const miss = async (digest: Digest): Promise<void> => {
      missing.push(digest);
      if (missing.length < BATCH) return;
      seen.lost += await this.#dropMissing(missing);
      missing = [];
    };
    for await (const digest of this.#options.store.list()) {
      if (this.#stop.signal.aborted) return seen;
      for (; row && row < digest; row = (await rows.next()).value) await miss(row);
      if (row === digest) row = (await rows.next()).value;
      else seen.adopted += await this.#adopt(digest);
      seen.onDisk += 1;
      if (seen.onDisk % BATCH === 0) await nextTurn();
    }
    for (; row && !this.#stop.signal.aborted; row = (await rows.next()).value) await miss(row);
    seen.lost += await this.#dropMissing(missing);
    return seen;
  }

  async *#rows(): AsyncGenerator<Digest, undefined> {
    let after = '';
    for (;;) {
      const batch = await this.#options.index.listBlobs(after, BATCH);
      for (const { digest } of batch) yield digest;
      const last = batch.at(-1);
      if (!last) return undefined;
      after = last.digest;
      await nextTurn();
    }
  }

  /** A file without a row: whole ones are taken in, others are put aside. */
  async #adopt(digest: Digest): Promise<number> {
    const { store, index, locks, budget, telemetry } = this.#options;
    if (this.#isIndexEmpty) {
      this.#isIndexEmpty = false;
      telemetry.log.error(
        'the index is empty, and the store is not: what was lost with the index, as names, tags and pins, is only in a backup of it',
      );
    }
    // It may have come into the index since that was read.
    if ((await index.findBlob('', digest)).isStored) return 0;
    return locks.run(digest, async () => {
      if ((await index.findBlob('', digest)).isStored) return 0;
      const verdict = await store.verify(digest, { signal: this.#stop.signal });
      if (verdict === 'missing') return 0;
      if (verdict === 'damaged') {
        await store.quarantine(digest);
        await budget.measureDebris();
        telemetry.contentLost({ digest, reason: 'a file that the index did not know is damaged', noticed: 'start' });
        return 0;
      }
      await using file = await store.open(digest);
      if (file) await index.putBlob({ digest, sizeBytes: file.sizeBytes, repositories: [], atMs: Date.now() });
      telemetry.log.info({ digest }, 'a file that the index did not know was taken in');
      return 1;
    });
  }

  /** Rows without a file, looked at once more with nobody storing or removing them meanwhile. */
  #dropMissing(digests: readonly Digest[]): Promise<number> {
    const { store, index, locks, telemetry } = this.#options;
    return locks.runAll(digests, async () => {
      const missing: Digest[] = [];
      for (const digest of digests) {
        await using file = await store.open(digest);
        if (!file && (await index.findBlob('', digest)).isStored) missing.push(digest);
      }
      if (missing.length > 0) await index.removeBlobs(missing);
      for (const digest of missing) {
        this.#reportedLosses += 1;
        // A disk that is not mounted is told by a hundred lines as well as by a million.
        if (this.#reportedLosses > MAX_REPORTED) telemetry.metrics.lostContent.inc({ noticed: 'start' });
        else telemetry.contentLost({ digest, reason: 'no file', noticed: 'start' });
      }
      return missing.length;
    });
  }
}
