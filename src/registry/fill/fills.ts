import type { ContentStore } from '../../content/content-store.ts';
import type { BlobIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { CodedError } from '../../util/coded-error.ts';
import { Fill } from './fill.ts';
import type { FillReader } from './fill-reader.ts';
import type { RangeSupport, TransferSource } from './transfer.ts';

export interface FillsOptions {
  readonly store: ContentStore;
  readonly index: BlobIndex;
  readonly telemetry: Telemetry;
  /** Requests at once for one large blob. */
  readonly connections: number;
  /** Requests at once to one upstream, beyond which no fill gets more than one. */
  readonly maxExtraConnections: number;
}

/** A fill that is under way, and a reader on it. */
export interface JoinedFill {
  readonly fill: Fill;
  readonly reader: FillReader;
  /** It was under way before this reader came. */
  readonly isShared: boolean;
}

/** The fills that are under way: one per digest, whoever asks. */
export class Fills implements AsyncDisposable {
  readonly #options: FillsOptions;
  readonly #ranges: RangeSupport = new Set();
  readonly #running = new Map<Digest, { fill: Fill; started: Promise<void> }>();

  constructor(options: FillsOptions) {
    this.#options = options;
  }

  /** The fill of this digest that is under way. */
  find(digest: Digest): Fill | undefined {
    return this.#running.get(digest)?.fill;
  }

  /**
   * Joins the fill of the digest, or starts it. Undefined when it came to its end meanwhile: look at the index again.
   * @param sizeBytes what a descriptor says
   * @param positionBytes where this reader will begin
   * @throws ContentError the store cannot take it
   */
  async join(
    digest: Digest,
    source: TransferSource,
    options: { sizeBytes: number | undefined; positionBytes: number },
  ): Promise<JoinedFill | undefined> {
    const running = this.#running.get(digest);
    if (running && !running.fill.isJoinable) {
      // It failed and is putting its files in order: the next fill begins after that.
      await running.fill.ended.catch(() => undefined);
      return undefined;
    }
    const { fill, started } = running ?? this.#start(digest, source, options.sizeBytes);
    fill.addSource(source, options.sizeBytes);
    await started;
    if (!fill.isJoinable) return undefined;
    const reader = fill.openReader(options.positionBytes);
    fill.run();
    return { fill, reader, isShared: running !== undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new CodedError('SHUTTING_DOWN', 'the mirror is shutting down');
    await Promise.all(
      [...this.#running.values()].map(async ({ fill }) => {
        await fill.abandon(reason);
        await fill.ended.catch(() => undefined);
      }),
    );
  }

  #start(
    digest: Digest,
    source: TransferSource,
    sizeBytes: number | undefined,
  ): { fill: Fill; started: Promise<void> } {
    const { store, telemetry, connections } = this.#options;
    const fill = new Fill(digest, source, sizeBytes, {
      ranges: this.#ranges,
      openIngest: (wanted) => store.ingest(wanted),
      connections: () => (this.#running.size * connections <= this.#options.maxExtraConnections ? connections : 1),
      onStored: (done) => this.#index(done),
      onStoreError: (done, error) => telemetry.storeFailed({ digest: done.digest, error }),
      onEnd: (done, error) => {
        this.#running.delete(digest);
        telemetry.fillEnded({
          upstream: source.repository.registry,
          repository: source.repository.name,
          digest,
          bytes: done.sizeBytes ?? 0,
          seconds: (Date.now() - done.startedAtMs) / 1000,
          error,
        });
      },
    });
    const entry = { fill, started: fill.start() };
    this.#running.set(digest, entry);
    telemetry.fillStarted();
    return entry;
  }

  #index(fill: Fill): Promise<void> {
    return this.#options.index.putBlob({
      digest: fill.digest,
      sizeBytes: fill.sizeBytes ?? 0,
      repositories: fill.repositories.map((repository) => repository.name),
      atMs: Date.now(),
    });
  }
}
