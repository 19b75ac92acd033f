import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentStore } from '../content/content-store.ts';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { isRepositoryPath, makeRepository, type Repository } from '../oci/repository.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import type { Blobs } from './blobs.ts';
import type { Upstreams } from './upstreams.ts';

export interface ReconciliationOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly blobs: Blobs;
  readonly telemetry: Telemetry;
}

/** Compared at once before others have their turn. */
const BATCH = 1_000;

/**
 * Brings index and disk together after a start: interrupted downloads go on, files that the index does not know are
 * taken in if they are whole, rows whose file is gone are dropped. It runs beside serving, which finds out for itself
 * what it needs of this.
 */
export class Reconciliation {
  readonly #options: ReconciliationOptions;
  #interrupted: readonly { digest: Digest; origin: string }[] = [];
  #isStopped = false;

  constructor(options: ReconciliationOptions) {
    this.#options = options;
  }

  /** Clears what an earlier run left half done. To be called before anything is served. */
  async prepare(): Promise<void> {
    this.#interrupted = await this.#options.store.interrupted();
  }

  /** Runs once, beside serving; failures are logged, since serving does not depend on it. */
  async run(): Promise<void> {
    const { telemetry } = this.#options;
    try {
      this.#resumeInterrupted();
      telemetry.log.info(await this.#compare(), 'index and disk agree');
    } catch (error) {
      if (!this.#isStopped) telemetry.log.error(describeError(error), 'reconciliation failed');
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  #resumeInterrupted(): void {
    const { blobs, telemetry } = this.#options;
    for (const { digest, origin } of this.#interrupted) {
      const repository = this.#repositoryNamed(origin);
      if (!repository) continue;
      telemetry.log.info({ digest, repository: origin }, 'resuming an interrupted download');
      blobs.fetch(repository, digest).catch((error: unknown) => {
        // What has come stays, and the next client that wants the blob makes it go on.
        telemetry.log.warn({ digest, repository: origin, ...describeError(error) }, 'an interrupted download waits');
      });
    }
  }

  /** Walks disk and index side by side, both in order, so that neither has to fit into memory. */
  async #compare(): Promise<{ onDisk: number; adopted: number; lost: number }> {
    const rows = this.#rows();
    let row = (await rows.next()).value;
    const seen = { onDisk: 0, adopted: 0, lost: 0 };
    for await (const digest of this.#options.store.list()) {
      if (this.#isStopped) return seen;
      for (; row && row < digest; row = (await rows.next()).value) seen.lost += await this.#dropIfMissing(row);
      if (row === digest) row = (await rows.next()).value;
      else seen.adopted += await this.#adopt(digest);
      seen.onDisk += 1;
      if (seen.onDisk % BATCH === 0) await nextTurn();
    }
    for (; row && !this.#isStopped; row = (await rows.next()).value) seen.lost += await this.#dropIfMissing(row);
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
    }
  }

  async #adopt(digest: Digest): Promise<number> {
    const { store, index, telemetry } = this.#options;
    // It may have come into the index since that was read.
    if ((await index.findBlob('', digest)).isStored) return 0;
    if (await store.verify(digest)) {
      await using file = await store.open(digest);
      if (file) await index.putBlob({ digest, sizeBytes: file.sizeBytes, repositories: [], atMs: Date.now() });
      telemetry.log.info({ digest }, 'a file that the index did not know was taken in');
      return 1;
    }
    telemetry.contentLost({ digest, reason: 'a file that the index did not know is damaged' });
    await store.remove(digest);
    return 0;
  }

  async #dropIfMissing(digest: Digest): Promise<number> {
    const { store, index, telemetry } = this.#options;
    await using file = await store.open(digest);
    if (file) return 0;
    telemetry.contentLost({ digest, reason: 'no file' });
    await index.removeBlob(digest);
    return 1;
  }

  #repositoryNamed(name: string): Repository | undefined {
    const slash = name.indexOf('/');
    const [registry, path] = [name.slice(0, slash), name.slice(slash + 1)];
    return slash > 0 && this.#options.upstreams.has(registry) && isRepositoryPath(path)
      ? makeRepository(registry, path)
      : undefined;
  }
}
