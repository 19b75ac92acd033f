import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { BypassReason } from '../../telemetry/telemetry.ts';
import type { Purpose } from '../../upstream/upstream.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { BoundedIngest } from './bounded-ingest.ts';
import { FillReader, type Readable } from './fill-reader.ts';
import { type RangeSupport, Transfer, type TransferSource } from './transfer.ts';

/** What a fill needs from its surroundings. */
export interface FillSurroundings {
  /** Opens the store's ingest for the digest. */
  openIngest(digest: Digest): Promise<BoundedIngest>;
  /** Makes it content of the store, and notes that in the index. */
  store(fill: Fill, ingest: BoundedIngest): Promise<void>;
  /** The fill ended; `error` is undefined when the blob is stored, or was streamed through. */
  onEnd(fill: Fill, error: unknown): void;
  /** The bytes were served, but storing them failed. */
  onStoreError(fill: Fill, error: unknown): void;
  /** Requests at once that this fill may make now. */
  connections(): number;
  readonly ranges: RangeSupport;
}

/** The last bytes of a blob stay here until its digest is verified: without them no client takes the rest for whole. */
const HELD_BACK_BYTES = 1024;
/** The most important one first. */
const PURPOSES: readonly Purpose[] = ['miss', 'revalidation', 'warm', 'readAhead'];
/** How often a client's wait is weighed against the speed of the running requests. */
const REVIEW_MS = 100;

/**
 * One download of a blob into the store, shared by all who want the blob. It goes on when they leave, asks for bytes
 * out of order when one waits for them, survives broken connections, and resumes after a crash.
 */
export class Fill implements Readable {
  readonly digest: Digest;
  readonly startedAtMs = Date.now();
  readonly #surroundings: FillSurroundings;
  readonly #transfer: Transfer;
  readonly #readers = new Set<FillReader>();
  readonly #confirmed = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #ingest: BoundedIngest | undefined;
  #purpose: Purpose;
  #isVerified = false;
  #hasEnded = false;
  #failure: { error: Error; isCorrupt: boolean } | undefined;
  #reviewTimer: NodeJS.Timeout | undefined;

  /** @param wanted `sizeBytes` is what a descriptor says, if there is one */
  constructor(
    digest: Digest,
    source: TransferSource,
    wanted: { sizeBytes: number | undefined; purpose: Purpose },
    surroundings: FillSurroundings,
  ) {
    this.digest = digest;
    this.#purpose = wanted.purpose;
    this.#surroundings = surroundings;
    this.#transfer = new Transfer({
      digest,
      source,
      sizeBytes: wanted.sizeBytes,
      wanted: () => this.#wanted(),
      purpose: () => this.#purpose,
      ranges: surroundings.ranges,
      connections: () => surroundings.connections(),
      onBegin: () => this.#confirmed.resolve(),
      onWritten: () => this.#wakeReaders(),
      onComplete: (ingest) => void this.#finish(ingest),
      onFail: (error, isDisputed) => void this.#fail(error, isDisputed),
    });
    // Nobody may be waiting for these when they fail.
    this.#confirmed.promise.catch(() => undefined);
    this.#ended.promise.catch(() => undefined);
  }

  get sizeBytes(): number | undefined {
    return this.#transfer.sizeBytes;
  }

  /** What has come so far. */
  get receivedBytes(): number {
    return this.#ingest?.have.size ?? 0;
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** It goes into the store; otherwise it is streamed through, for want of room. */
  get isKept(): boolean {
    return !this.#ingest?.isPassing;
  }

  /** Why it is not kept. */
  get passingReason(): BypassReason | undefined {
    return this.#ingest?.passingReason;
  }

  /** Can a reader that begins there still find everything? */
  canServe(positionBytes: number): boolean {
    return this.#ingest?.canBeRead(positionBytes) ?? true;
  }

  /** It is wanted for this too. */
  want(purpose: Purpose): void {
    if (PURPOSES.indexOf(purpose) < PURPOSES.indexOf(this.#purpose)) this.#purpose = purpose;
  }

  /** Repositories that are known to have the blob. */
  get repositories(): readonly Repository[] {
    return this.#transfer.sources.map((source) => source.repository);
  }

  /** Readers may still come: it has not failed. */
  get isJoinable(): boolean {
    return !this.#hasEnded;
  }

  /** All bytes are here and right; they are being stored. */
  get isVerified(): boolean {
    return this.#isVerified;
  }

  /** Settles when the blob is stored, or cannot be had. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Resolves when an upstream has begun to send: from then on an answer can be given. @throws what the upstream threw */
  get confirmed(): Promise<void> {
    return this.#confirmed.promise;
  }

  /** Opens the store's ingest; readers can come from then on. @throws ContentError */
  async start(): Promise<void> {
    try {
      const ingest = await this.#surroundings.openIngest(this.digest);
      this.#ingest = ingest;
      // It was abandoned meanwhile, when there was nothing to let go of yet.
      if (this.#hasEnded) return await this.#letGo(false);
      ingest.onPassed = () => this.#wakeReaders();
      // Its size was told by an upstream: that counts for more than a descriptor.
      this.#transfer.attach(ingest);
    } catch (error) {
      await this.#fail(error);
      throw error;
    }
  }

  /** Asks for the first bytes; after the first reader was opened, so that its place is asked for first. */
  run(): void {
    this.#transfer.advance();
  }

  /** @param sizeBytes what a descriptor in that repository says */
  addSource(source: TransferSource, sizeBytes: number | undefined): void {
    this.#transfer.addSource(source, sizeBytes);
  }

  openReader(positionBytes: number): FillReader {
    if (!this.#ingest) throw new Error('openReader before start');
    const reader = new FillReader(this, this.#ingest.openReader(positionBytes), positionBytes);
    this.#readers.add(reader);
    return reader;
  }

  /** Ends the fill and keeps what has come for a later one. */
  async abandon(reason: Error): Promise<void> {
    await this.#fail(reason);
  }

  availableEnd(positionBytes: number): number {
    const end = this.#ingest?.have.endFrom(positionBytes) ?? 0;
    if (this.#isVerified) return end;
    const whole = this.sizeBytes ?? this.#ingest?.have.endFrom(0) ?? 0;
    return Math.min(end, Math.max(positionBytes, whole - HELD_BACK_BYTES));
  }

  isEnd(positionBytes: number): boolean {
    return this.#isVerified && positionBytes >= (this.sizeBytes ?? Infinity);
  }

  failureAt(positionBytes: number): Error | undefined {
    if (!this.#failure) return undefined;
    const canGoOn = !this.#failure.isCorrupt && this.availableEnd(positionBytes) > positionBytes;
    return canGoOn ? undefined : this.#failure.error;
  }

  onWait(): void {
    this.#reviewTimer ??= setInterval(() => this.#review(), REVIEW_MS).unref();
    this.#transfer.advance();
  }

  onClose(reader: FillReader): void {
    this.#readers.delete(reader);
  }

  #review(): void {
    if (this.#wanted().length > 0) return this.#transfer.advance();
    clearInterval(this.#reviewTimer);
    this.#reviewTimer = undefined;
  }

  #wanted(): number[] {
    const wanted: number[] = [];
    for (const reader of this.#readers) {
      if (reader.wantedBytes !== undefined) wanted.push(reader.wantedBytes);
    }
    return wanted;
  }

  #wakeReaders(): void {
    for (const reader of this.#readers) reader.wake();
  }

  async #finish(ingest: BoundedIngest): Promise<void> {
    try {
      if (!(await ingest.verify())) return await this.#fail(this.#mismatch(), true);
    } catch (error) {
      // A disk that cannot be read says nothing of what the upstream sent, but its bytes are of no use to the next try.
      return this.#fail(error, true);
    }
    if (this.#hasEnded) return;
    this.#isVerified = true;
    this.#confirmed.resolve();
    for (const reader of this.#readers) reader.wakeAnyway();
    if (ingest.isPassing) {
      await this.#letGo(true);
      return this.#end(undefined);
    }
    let failure: unknown;
    try {
      await this.#surroundings.store(this, ingest);
    } catch (error) {
      failure = error;
      this.#surroundings.onStoreError(this, error);
    }
    this.#end(failure);
    await this.#letGo(failure !== undefined);
  }

  /** The next try is to get its bytes from elsewhere, where there are several that may have them. */
  #distrustSources(): void {
    for (const { repository, upstream } of this.#transfer.sources) upstream.distrust?.(repository.path, this.digest);
  }

  #mismatch(): UpstreamError {
    const registry = this.#transfer.sources[0]?.repository.registry ?? '';
    return new UpstreamError('INVALID', registry, `what it sent for ${this.digest} has another digest`);
  }

  async #fail(cause: unknown, isCorrupt = false): Promise<void> {
    // Once it is verified it is being stored, and that ends by itself.
    if (this.#hasEnded || this.#isVerified) return;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#hasEnded = true;
    this.#failure = { error, isCorrupt };
    this.#transfer.stop();
    // A disk that fails is nobody else's fault.
    if (isCorrupt && error instanceof UpstreamError) this.#distrustSources();
    this.#confirmed.reject(error);
    for (const reader of this.#readers) reader.wakeAnyway();
    await this.#letGo(isCorrupt);
    this.#end(error);
  }

  /** A disk that refuses even this must not keep the fill from ending. */
  async #letGo(isCorrupt: boolean): Promise<void> {
    try {
      if (isCorrupt) await this.#ingest?.discard();
      else await this.#ingest?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#surroundings.onStoreError(this, error);
    }
  }

  #end(error: unknown): void {
    this.#hasEnded = true;
    clearInterval(this.#reviewTimer);
    this.#surroundings.onEnd(this, error);
    if (error === undefined) this.#ended.resolve();
    else this.#ended.reject(error);
  }
}
