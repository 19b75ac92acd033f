import type { Ingest } from '../../content/content-store.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { BlobSource, BlobStream } from '../../upstream/upstream.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import { chooseClaim, type Choice, type Claim } from './claim.ts';
import { FillReader, type Readable } from './fill-reader.ts';
import { judgeFailure } from './judge-failure.ts';
import { WriteBehind } from './write-behind.ts';

/** A repository at an upstream that has the blob. */
export interface FillSource {
  readonly repository: Repository;
  readonly upstream: BlobSource;
}

/** What a fill needs from its surroundings. */
export interface FillSurroundings {
  /** Opens the store's ingest for the digest. */
  openIngest(digest: Digest): Promise<Ingest>;
  /** Notes in the index that the blob is stored. */
  onStored(fill: Fill): Promise<void>;
  /** The fill ended; `error` is undefined when the blob is stored. */
  onEnd(fill: Fill, error: unknown): void;
  /** The bytes were served, but storing them failed. */
  onStoreError(fill: Fill, error: unknown): void;
  /** May this fill open one more connection than it needs? */
  mayAddConnection(): boolean;
  readonly connections: number;
}

/** The last bytes of a blob stay here until its digest is verified: without them no client takes the rest for whole. */
const HELD_BACK_BYTES = 1024;
/** A speed that is measured over less time than this says nothing. */
const SPEED_AFTER_MS = 200;
/** How often a client's wait is weighed against the speed of the running requests. */
const REVIEW_MS = 150;

/**
 * One download of a blob into the store, shared by all who want the blob. It goes on when they leave, asks for bytes
 * out of order when one waits for them, survives broken connections, and resumes after a crash.
 */
export class Fill implements Readable {
  readonly digest: Digest;
  readonly startedAtMs = Date.now();
  readonly #surroundings: FillSurroundings;
  readonly #sources: FillSource[];
  readonly #readers = new Set<FillReader>();
  readonly #claims = new Set<Claim>();
  readonly #stop = new AbortController();
  readonly #confirmed = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #ingest: Ingest | undefined;
  #sizeBytes: number | undefined;
  #honoursRange: boolean | undefined;
  #isConfirmed = false;
  #isFinishing = false;
  #isVerified = false;
  #hasEnded = false;
  #failure: { error: unknown; isCorrupt: boolean } | undefined;
  #failedAttempts = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #reviewTimer: NodeJS.Timeout | undefined;

  /** @param sizeBytes what a descriptor says, if there is one: an upstream that says otherwise is not believed */
  constructor(digest: Digest, source: FillSource, sizeBytes: number | undefined, surroundings: FillSurroundings) {
    this.digest = digest;
    this.#sources = [source];
    this.#sizeBytes = sizeBytes;
    this.#surroundings = surroundings;
    this.#confirmed.promise.catch(() => undefined);
    this.#ended.promise.catch(() => undefined);
  }

  get sizeBytes(): number | undefined {
    return this.#sizeBytes;
  }

  /** Repositories that are known to have the blob. */
  get repositories(): readonly Repository[] {
    return this.#sources.map((source) => source.repository);
  }

  /** Readers may still come: it has not failed. */
  get isJoinable(): boolean {
    return !this.#hasEnded;
  }

  /** Settles when the blob is stored, or cannot be had. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Resolves when an upstream has begun to send: from then on an answer can be given. @throws what the upstream threw */
  get confirmed(): Promise<void> {
    return this.#confirmed.promise;
  }

  /** Opens the store's ingest; readers can come from then on. @param positionBytes where the first reader will begin */
  async start(): Promise<void> {
    try {
      this.#ingest = await this.#surroundings.openIngest(this.digest);
    } catch (error) {
      await this.#fail(error);
      throw error;
    }
    const known = this.#ingest.totalBytes;
    if (known !== undefined && this.#sizeBytes !== undefined && known !== this.#sizeBytes) {
      // An earlier upstream answered with another length: nothing of it is worth keeping.
      await this.#ingest.discard();
      this.#ingest = await this.#surroundings.openIngest(this.digest);
    }
    this.#sizeBytes ??= this.#ingest.totalBytes;
  }

  /** Asks for the first bytes; after the first reader was opened, so that its place is asked for first. */
  run(): void {
    this.#advance();
  }

  addSource(source: FillSource): void {
    if (!this.#sources.some((known) => known.repository.name === source.repository.name)) this.#sources.push(source);
  }

  openReader(positionBytes: number): FillReader {
    if (!this.#ingest) throw new Error('openReader before start');
    const reader = new FillReader(this, this.#ingest.openReader(), positionBytes);
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
    const whole = this.#sizeBytes ?? this.#ingest?.have.endFrom(0) ?? 0;
    return Math.min(end, Math.max(positionBytes, whole - HELD_BACK_BYTES));
  }

  isEnd(positionBytes: number): boolean {
    return this.#isVerified && positionBytes >= (this.#sizeBytes ?? Infinity);
  }

  failureAt(positionBytes: number): unknown {
    if (!this.#failure) return undefined;
    const canGoOn = !this.#failure.isCorrupt && this.availableEnd(positionBytes) > positionBytes;
    return canGoOn ? undefined : this.#failure.error;
  }

  onWait(): void {
    this.#reviewTimer ??= setInterval(() => this.#review(), REVIEW_MS).unref();
    this.#advance();
  }

  onClose(reader: FillReader): void {
    this.#readers.delete(reader);
  }

  #review(): void {
    if (this.#wanted().length > 0) return this.#advance();
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

  /** Starts the requests that make sense now; the end of the fill when nothing is missing. */
  #advance(): void {
    const ingest = this.#ingest;
    if (!ingest || this.#hasEnded || this.#isFinishing || this.#retryTimer) return;
    if (this.#sizeBytes !== undefined && ingest.have.firstGap(0, this.#sizeBytes) === undefined) {
      if (this.#claims.size === 0) void this.#finish(ingest);
      return;
    }
    for (;;) {
      const choice = chooseClaim({
        sizeBytes: this.#sizeBytes,
        have: ingest.have.toJSON(),
        claims: [...this.#claims],
        wanted: this.#wanted(),
        honoursRange: this.#honoursRange,
        connections: this.#surroundings.mayAddConnection() ? this.#surroundings.connections : 1,
      });
      if (!choice) return;
      void this.#fetch(choice, ingest);
    }
  }

  async #fetch(choice: Choice, ingest: Ingest): Promise<void> {
    const claim: Claim = {
      startBytes: choice.startBytes,
      positionBytes: choice.startBytes,
      endBytes: choice.endBytes,
      isRanged: choice.isRanged,
      bytesPerMs: undefined,
    };
    if (choice.takenFrom) choice.takenFrom.endBytes = choice.startBytes;
    this.#claims.add(claim);
    const source = this.#sources[0];
    try {
      if (!source) throw new Error('a fill without a source');
      const range = claim.isRanged ? { startBytes: claim.positionBytes, endBytes: claim.endBytes } : undefined;
      const options = { signal: this.#stop.signal };
      await using stream = await source.upstream.getBlob(source.repository.path, this.digest, range, options);
      await this.#take(stream, claim, source, ingest);
      this.#claims.delete(claim);
      this.#advance();
    } catch (error) {
      this.#claims.delete(claim);
      await this.#recover(error, claim, source);
    }
  }

  /** Writes what a request brings, as long as it is wanted of this request. */
  async #take(stream: BlobStream, claim: Claim, source: FillSource, ingest: Ingest): Promise<void> {
    this.#learn(stream, claim, source);
    if (!stream.isPartial) {
      // The whole blob comes, whatever was asked for: one such answer is enough.
      if (this.#claims.size > 1) return;
      claim.startBytes = 0;
      claim.positionBytes = 0;
      claim.endBytes = this.#sizeBytes ?? Infinity;
    }
    this.#confirm();
    this.#advance();
    const startedAt = performance.now();
    const { startBytes, endBytes } = claim;
    const writer = new WriteBehind(claim.positionBytes, (chunks, position) => this.#write(chunks, position, ingest));
    for await (const chunk of stream.body) {
      const wanted = chunk.subarray(0, Math.max(0, claim.endBytes - claim.positionBytes));
      claim.positionBytes += wanted.length;
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs > SPEED_AFTER_MS) claim.bytesPerMs = (claim.positionBytes - startBytes) / elapsedMs;
      await writer.push(wanted);
      // Only when another request took the rest over: an answer that is read to its end leaves its connection usable.
      if (claim.endBytes < endBytes && claim.positionBytes >= claim.endBytes) break;
    }
    await writer.flush();
    if (claim.endBytes === Infinity) {
      this.#sizeBytes = claim.positionBytes;
      ingest.describe(this.#sizeBytes, source.repository.name);
    } else if (claim.positionBytes === startBytes && claim.endBytes > startBytes) {
      throw new UpstreamError('INVALID', source.repository.registry, `sent nothing of ${this.digest}`);
    }
  }

  #learn(stream: BlobStream, claim: Claim, source: FillSource): void {
    const { totalBytes } = stream;
    if (claim.isRanged) this.#honoursRange = stream.isPartial;
    if (totalBytes === undefined) {
      if (!stream.isPartial || this.#sizeBytes !== undefined) return;
      throw new UpstreamError('INVALID', source.repository.registry, `sends parts of ${this.digest} without its size`);
    }
    if (this.#sizeBytes !== undefined && this.#sizeBytes !== totalBytes) {
      const message = `has ${totalBytes} bytes for ${this.digest}, which has ${this.#sizeBytes}`;
      throw new UpstreamError('INVALID', source.repository.registry, message);
    }
    this.#sizeBytes = totalBytes;
    claim.endBytes = Math.min(claim.endBytes, totalBytes);
    this.#ingest?.describe(totalBytes, source.repository.name);
  }

  /** Writes only what is missing: bytes that were hashed or read must never change. */
  async #write(chunks: readonly Uint8Array[], positionBytes: number, ingest: Ingest): Promise<void> {
    let position = positionBytes;
    let missing: Uint8Array[] = [];
    let missingAt = position;
    for (const chunk of chunks) {
      const end = position + chunk.length;
      const gap = ingest.have.firstGap(position, end);
      if (gap && gap[0] === position && gap[1] === end) {
        if (missing.length === 0) missingAt = position;
        missing.push(chunk);
      } else {
        if (missing.length > 0) await ingest.write(missing, missingAt);
        missing = [];
        await this.#writeGaps(chunk, position, ingest);
      }
      position = end;
    }
    if (missing.length > 0) await ingest.write(missing, missingAt);
    this.#failedAttempts = 0;
    for (const reader of this.#readers) reader.wake();
  }

  async #writeGaps(chunk: Uint8Array, positionBytes: number, ingest: Ingest): Promise<void> {
    const end = positionBytes + chunk.length;
    for (let gap = ingest.have.firstGap(positionBytes, end); gap; gap = ingest.have.firstGap(gap[1], end)) {
      await ingest.write([chunk.subarray(gap[0] - positionBytes, gap[1] - positionBytes)], gap[0]);
    }
  }

  #confirm(): void {
    this.#isConfirmed = true;
    this.#confirmed.resolve();
  }

  async #finish(ingest: Ingest): Promise<void> {
    this.#isFinishing = true;
    try {
      if (!(await ingest.verify())) return await this.#fail(this.#mismatch(), true);
    } catch (error) {
      return this.#fail(error, true);
    }
    this.#isVerified = true;
    this.#confirm();
    for (const reader of this.#readers) reader.wakeAnyway();
    let stored: unknown;
    try {
      await ingest.commit();
      await this.#surroundings.onStored(this);
    } catch (error) {
      stored = error;
      this.#surroundings.onStoreError(this, error);
    }
    this.#end(stored);
    await ingest[Symbol.asyncDispose]();
  }

  #mismatch(): UpstreamError {
    const registry = this.#sources[0]?.repository.registry ?? '';
    return new UpstreamError('INVALID', registry, `what it sent for ${this.digest} has another digest`);
  }

  async #recover(error: unknown, claim: Claim, source: FillSource | undefined): Promise<void> {
    if (this.#hasEnded) return;
    const verdict = judgeFailure(error, {
      isConfirmed: this.#isConfirmed,
      failedAttempts: this.#failedAttempts,
      canDropRange: claim.isRanged && (this.#sizeBytes === undefined || isRangeRefusal(error)),
      otherSources: this.#sources.length - 1,
    });
    if (verdict.kind === 'fail') return this.#fail(error);
    if (verdict.kind === 'withoutRange') this.#honoursRange = false;
    if (verdict.kind === 'nextSource' && source) {
      this.#sources.splice(this.#sources.indexOf(source), 1);
    }
    if (this.#retryTimer) return;
    this.#failedAttempts += 1;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.#advance();
    }, verdict.delayMs);
  }

  async #fail(error: unknown, isCorrupt = false): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#failure = { error, isCorrupt };
    this.#stop.abort();
    clearTimeout(this.#retryTimer);
    this.#confirmed.reject(error);
    for (const reader of this.#readers) reader.wakeAnyway();
    if (isCorrupt) await this.#ingest?.discard();
    else await this.#ingest?.[Symbol.asyncDispose]();
    this.#end(error);
  }

  #end(error: unknown): void {
    this.#hasEnded = true;
    clearInterval(this.#reviewTimer);
    this.#surroundings.onEnd(this, error);
    if (error === undefined) this.#ended.resolve();
    else this.#ended.reject(error);
  }
}

function isRangeRefusal(error: unknown): boolean {
  return error instanceof UpstreamError && error.status === 416;
}
