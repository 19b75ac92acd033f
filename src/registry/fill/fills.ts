import type { ContentStore } from '../../content/content-store.ts';
import type { BlobIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { type BypassReason, describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { Purpose } from '../../upstream/upstream.ts';
import { CodedError } from '../../util/coded-error.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { LostContent } from '../upkeep/lost-content.ts';
import { BoundedIngest } from './bounded-ingest.ts';
import { Fill } from './fill.ts';
import type { FillReader } from './fill-reader.ts';
import type { RangeSupport, TransferSource } from './transfer.ts';

export interface FillsOptions {
  readonly store: ContentStore;
  readonly index: BlobIndex;
  readonly budget: DiskBudget;
  readonly lost: LostContent;
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
  /** Requests at once for one large blob. */
  readonly connections: number;
  /** Requests at once to one upstream, beyond which no fill gets more than one. */
  readonly maxExtraConnections: number;
}

/** What a blob is wanted for, and by whom. */
export interface FillWish {
  /** What a descriptor says. */
  readonly sizeBytes: number | undefined;
  /** Where its reader will begin. */
  readonly positionBytes: number;
  readonly purpose: Purpose;
}

/** A fill that is under way, and a reader on it. */
export interface JoinedFill {
  readonly fill: Fill;
  readonly reader: FillReader;
  /** It was under way before this reader came. */
  readonly isShared: boolean;
}

interface Running {
  readonly fill: Fill;
  readonly started: Promise<void>;
}

/** The fills that are under way: one per digest, whoever asks. */
export class Fills implements AsyncDisposable {
  readonly #options: FillsOptions;
  readonly #ranges: RangeSupport = new Set();
  readonly #running = new Map<Digest, Running>();
  /** Those of readers who came too late for what is streamed through: each is for one of them. */
  readonly #alone = new Set<Running>();
  #isClosed = false;

  constructor(options: FillsOptions) {
    this.#options = options;
  }

  /** The fill of this digest that is under way. */
  find(digest: Digest): Fill | undefined {
    return this.#running.get(digest)?.fill;
  }

  get all(): readonly Fill[] {
    return [...this.#running.values(), ...this.#alone].map(({ fill }) => fill);
  }

  /**
   * Joins the fill of the digest, or starts it. Undefined when it came to its end meanwhile: look at the index again.
   * @throws CodedError SHUTTING_DOWN
   */
  async join(digest: Digest, source: TransferSource, wish: FillWish): Promise<JoinedFill | undefined> {
    const running = this.#running.get(digest);
    if (running && !running.fill.isJoinable) {
      // It ended and is putting its files in order: the next fill begins after that.
      await running.fill.ended.catch(() => undefined);
      return undefined;
    }
    if (running && !running.fill.canServe(wish.positionBytes)) return this.joinAlone(digest, source, wish);
    const { fill, started } = running ?? this.#start(digest, source, wish);
    fill.addSource(source, wish.sizeBytes);
    fill.want(wish.purpose);
    await started;
    if (!fill.isJoinable) return undefined;
    const reader = fill.openReader(wish.positionBytes);
    fill.run();
    return { fill, reader, isShared: running !== undefined };
  }

  /** A fill for one reader, of which nothing is kept. */
  async joinAlone(digest: Digest, source: TransferSource, wish: FillWish): Promise<JoinedFill | undefined> {
    this.#throwIfClosed();
    // It is not kept for the same reason as the one that this reader came too late for.
    const reason = this.find(digest)?.passingReason ?? 'quota';
    this.#noteBypass(digest, source, reason, wish.sizeBytes);
    const entry: Running = this.#make(digest, source, wish, {
      openIngest: async () => this.#passThrough(digest, source, reason),
      onEnd: () => this.#alone.delete(entry),
    });
    this.#alone.add(entry);
    await entry.started;
    const reader = entry.fill.openReader(wish.positionBytes);
    entry.fill.run();
    return { fill: entry.fill, reader, isShared: false };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const reason = new CodedError('SHUTTING_DOWN', 'the mirror is shutting down');
    await Promise.all(
      [...this.#running.values(), ...this.#alone].map(async ({ fill, started }) => {
        await fill.abandon(reason);
        await Promise.allSettled([fill.ended, started]);
      }),
    );
  }

  #start(digest: Digest, source: TransferSource, wish: FillWish): Running {
    this.#throwIfClosed();
    const entry = this.#make(digest, source, wish, {
      openIngest: () => this.#openIngest(digest, source),
      onEnd: () => this.#running.delete(digest),
    });
    this.#running.set(digest, entry);
    return entry;
  }

  #make(
    digest: Digest,
    source: TransferSource,
    wish: FillWish,
    { openIngest, onEnd }: { openIngest: () => Promise<BoundedIngest>; onEnd: () => void },
  ): Running {
    const { telemetry, connections, maxExtraConnections } = this.#options;
    const fill = new Fill(digest, source, wish, {
      ranges: this.#ranges,
      openIngest,
      connections: () => (this.#running.size * connections <= maxExtraConnections ? connections : 1),
      store: (done, ingest) => this.#store(done, ingest),
      onStoreError: (done, error) => telemetry.storeFailed({ digest: done.digest, error }),
      onEnd: (done, error) => {
        onEnd();
        telemetry.fillEnded({
          upstream: source.repository.registry,
          repository: source.repository.name,
          digest,
          bytes: done.sizeBytes ?? 0,
          seconds: (Date.now() - done.startedAtMs) / 1000,
          isKept: done.isKept,
          error,
        });
      },
    });
    telemetry.fillStarted();
    return { fill, started: fill.start() };
  }

  /** A disk that refuses even to begin costs the copy, not the client its bytes. */
  async #openIngest(digest: Digest, source: TransferSource): Promise<BoundedIngest> {
    const { store, budget, telemetry } = this.#options;
    const { registry } = source.repository;
    try {
      return new BoundedIngest(await store.ingest(digest), {
        budget,
        registry,
        onPassing: (reason, sizeBytes, failure) => {
          this.#noteBypass(digest, source, reason, sizeBytes);
          // A disk that fails in another way is not mended by less on it.
          if (failure?.code === 'STORE_FULL') this.#relieve(sizeBytes);
          else if (failure) telemetry.storeFailed({ digest, error: failure });
        },
      });
    } catch (error) {
      telemetry.storeFailed({ digest, error });
      this.#noteBypass(digest, source, 'store', undefined);
      return this.#passThrough(digest, source, 'store');
    }
  }

  #passThrough(digest: Digest, { repository }: TransferSource, reason: BypassReason): BoundedIngest {
    const { store, budget } = this.#options;
    const options = { budget, registry: repository.registry, onPassing: () => undefined };
    return new BoundedIngest(store.passThrough(digest), options, reason);
  }

  #noteBypass(
    digest: Digest,
    { repository }: TransferSource,
    reason: BypassReason,
    sizeBytes: number | undefined,
  ): void {
    this.#options.telemetry.bypassed({ upstream: repository.registry, digest, sizeBytes, reason });
  }

  /** Bytes first, then the row, and nobody removes the digest meanwhile. */
  #store(fill: Fill, ingest: BoundedIngest): Promise<void> {
    const { index, budget, locks } = this.#options;
    return locks.run(fill.digest, async () => {
      await ingest.commit();
      await index.putBlob({
        digest: fill.digest,
        sizeBytes: fill.sizeBytes ?? 0,
        repositories: fill.repositories.map((repository) => repository.name),
        atMs: Date.now(),
      });
      ingest.settle();
      await budget.share();
      this.#options.lost.stored(fill.digest, fill.repositories[0]?.name ?? '');
    });
  }

  /** The next download shall fit. */
  #relieve(sizeBytes = 0): void {
    const { budget, telemetry } = this.#options;
    budget.relieve(sizeBytes).catch((error: unknown) => telemetry.log.error(describeError(error), 'eviction failed'));
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw new CodedError('SHUTTING_DOWN', 'the mirror is shutting down');
  }
}
