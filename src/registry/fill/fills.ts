import type { ContentStore } from '../../content/content-store.ts';
import type { BlobIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { CodedError } from '../../util/coded-error.ts';
import { Fill, type FillSource } from './fill.ts';
import type { FillReader } from './fill-reader.ts';

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
  readonly #running = new Map<Digest, { fill: Fill; started: Promise<void> }>();

  constructor(options: FillsOptions) {
    this.#options = options;
  }

  /** The fill of this digest that is under way. */
  find(digest: Digest): Fill | undefined {
    return this.#running.get(digest)?.fill;
  }

  get count(): number {
    return this.#running.size;
  }

  /**
   * Joins the fill of the digest, or starts it.
   * @param sizeBytes what a descriptor says
   * @param positionBytes where this reader will begin
   * @throws ContentError the store cannot take it
   */
  async join(
    digest: Digest,
    source: FillSource,
    options: { sizeBytes: number | undefined; positionBytes: number },
  ): Promise<JoinedFill> {
    let running = this.#running.get(digest);
    while (running && !running.fill.isJoinable) {
      // It failed and is putting its files in order: the next fill begins after that.
      await running.fill.ended.catch(() => undefined);
      running = this.#running.get(digest);
    }
    const { fill, started } = running ?? this.#start(digest, source, options.sizeBytes);
    fill.addSource(source);
    await started;
    const reader = fill.openReader(options.positionBytes);
    fill.run();
    return { fill, reader, isShared: running !== undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new CodedError('SHUTTING_DOWN', 'the mirror is shutting down');
    await Promise.all([...this.#running.values()].map(({ fill }) => fill.abandon(reason)));
  }

  #start(digest: Digest, source: FillSource, sizeBytes: number | undefined): { fill: Fill; started: Promise<void> } {
    const { store, telemetry, connections } = this.#options;
    const fill = new Fill(digest, source, sizeBytes, {
      connections,
      openIngest: (wanted) => store.ingest(wanted),
      mayAddConnection: () => this.#running.size * connections <= this.#options.maxExtraConnections,
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
