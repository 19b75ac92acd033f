import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { BlobSource, BlobStream, Purpose } from '../../upstream/upstream.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import { type BoundedIngest, OUT_OF_ORDER } from './bounded-ingest.ts';
import { CodedError } from '../../util/coded-error.ts';
import { chooseClaim, type Choice, type Claim } from './claim.ts';
import { judgeFailure } from './judge-failure.ts';
import { WriteBehind } from './write-behind.ts';

/** A repository at an upstream that has the blob. */
export interface TransferSource {
  readonly repository: Repository;
  readonly upstream: BlobSource;
}

export interface TransferOptions {
  readonly digest: Digest;
  readonly source: TransferSource;
  /** What a descriptor says, if there is one: an upstream that says otherwise is not believed. */
  readonly sizeBytes: number | undefined;
  /** Offsets at which clients wait. */
  readonly wanted: () => number[];
  /** Whether an upstream is known to honour Range, from other blobs of it. */
  readonly ranges: RangeSupport;
  /** Requests at once that make sense now. */
  readonly connections: () => number;
  /** What the blob is wanted for. */
  readonly purpose: () => Purpose;
  /** An upstream has begun to send. */
  readonly onBegin: () => void;
  /** Bytes were written. */
  readonly onWritten: () => void;
  /** Nothing is missing any more. */
  readonly onComplete: (ingest: BoundedIngest) => void;
  /** No upstream will bring the rest. @param isDisputed upstreams differ on the size: what has come is worth nothing */
  readonly onFail: (error: unknown, isDisputed: boolean) => void;
}

/** Registries that were seen to honour Range. One that did not may do so for the next blob. */
export type RangeSupport = Set<string>;

/** Brings a blob's bytes from upstreams into an ingest: by several requests, out of order, and again when they break. */
export class Transfer {
  readonly #options: TransferOptions;
  readonly #sources: TransferSource[];
  readonly #claims = new Set<Claim>();
  readonly #stop = new AbortController();
  #ingest: BoundedIngest | undefined;
  #sizeBytes: number | undefined;
  /** An upstream told the size; until then it is what a descriptor says. */
  #isSizeTold = false;
  #isSizeDisputed = false;
  #honoursRange: boolean | undefined;
  #hasBegun = false;
  #isDone = false;
  #failedAttempts = 0;
  /** Why a source that was given up did not send it. */
  #troubleElsewhere: unknown;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#sources = [options.source];
    this.#sizeBytes = options.sizeBytes;
    if (options.ranges.has(options.source.repository.registry)) this.#honoursRange = true;
  }

  get sizeBytes(): number | undefined {
    return this.#sizeBytes;
  }

  /** Where the bytes come from, those that are asked first in front. */
  get sources(): readonly TransferSource[] {
    return this.#sources;
  }

  /** @param sizeBytes what a descriptor in that repository says: where descriptors differ, the upstream is believed */
  addSource(source: TransferSource, sizeBytes: number | undefined): void {
    if (!this.#isSizeTold && sizeBytes !== undefined && sizeBytes !== this.#sizeBytes) this.#sizeBytes = undefined;
    if (!this.#sources.some((known) => known.repository.name === source.repository.name)) this.#sources.push(source);
  }

  /** Goes on with what the ingest has. Call {@link advance} to begin. */
  attach(ingest: BoundedIngest): void {
    this.#ingest = ingest;
    if (ingest.totalBytes === undefined) return;
    this.#sizeBytes = ingest.totalBytes;
    this.#isSizeTold = true;
  }

  /** Ends all requests. */
  stop(): void {
    this.#isDone = true;
    this.#stop.abort();
    clearTimeout(this.#retryTimer);
  }

  /** Starts the requests that make sense now. */
  advance(): void {
    const ingest = this.#ingest;
    if (!ingest || this.#isDone || this.#retryTimer) return;
    if (this.#sizeBytes !== undefined && ingest.have.firstGap(0, this.#sizeBytes) === undefined) {
      if (this.#claims.size > 0) return;
      this.#isDone = true;
      this.#options.onComplete(ingest);
      return;
    }
    for (;;) {
      // What is streamed through comes in order, by one request after the other.
      if (ingest.isPassing && this.#claims.size > 0) return;
      const choice = chooseClaim({
        sizeBytes: this.#sizeBytes,
        have: ingest.have.toJSON(),
        claims: [...this.#claims],
        wanted: ingest.isPassing ? [] : this.#options.wanted(),
        honoursRange: this.#honoursRange,
        nowMs: performance.now(),
        connections: ingest.isPassing ? 1 : this.#options.connections(),
      });
      if (!choice) return;
      void this.#fetch(choice, ingest);
    }
  }

  async #fetch(choice: Choice, ingest: BoundedIngest): Promise<void> {
    const { startBytes, endBytes, isRanged } = choice;
    const claim: Claim = { startBytes, positionBytes: startBytes, endBytes, isRanged, answeredAtMs: undefined };
    if (choice.takenFrom) choice.takenFrom.endBytes = startBytes;
    this.#claims.add(claim);
    const source = this.#sources[0];
    try {
      if (!source) throw new Error('a transfer without a source');
      const range = isRanged ? { startBytes, endBytes } : undefined;
      const options = { signal: this.#stop.signal, purpose: this.#options.purpose, sizeBytes: this.#sizeBytes };
      await using stream = await source.upstream.getBlob(source.repository.path, this.#options.digest, range, options);
      await this.#take(stream, claim, source, ingest);
      this.#claims.delete(claim);
      this.advance();
    } catch (error) {
      this.#claims.delete(claim);
      this.#recover(error, claim, source);
    }
  }

  /** Writes what a request brings, as long as it is wanted of this request. */
  async #take(stream: BlobStream, claim: Claim, source: TransferSource, ingest: BoundedIngest): Promise<void> {
    this.#learn(stream, claim, source, ingest);
    if (!stream.isPartial) {
      // The whole blob comes, whatever was asked for: one such answer is enough.
      if (this.#claims.size > 1) return;
      claim.startBytes = 0;
      claim.positionBytes = 0;
      claim.endBytes = this.#sizeBytes ?? Infinity;
    }
    // Whether it is kept is told to clients, and decides what is asked for next.
    await ingest.admitted();
    if (ingest.isPassing && claim.positionBytes > ingest.have.endFrom(0)) {
      throw new CodedError(OUT_OF_ORDER, 'what is streamed through comes in order');
    }
    this.#hasBegun = true;
    this.#options.onBegin();
    this.advance();
    await this.#write(stream, claim, ingest);
    if (claim.endBytes === Infinity) {
      this.#sizeBytes = claim.positionBytes;
      ingest.describe(this.#sizeBytes, source.repository.name);
    } else if (claim.positionBytes < claim.endBytes) {
      // A body without a length that ends early: the whole contradicts the size, a part just has to be asked for again.
      this.#isSizeDisputed ||= !stream.isPartial;
      const message = `ended ${this.#options.digest} at ${claim.positionBytes} instead of ${claim.endBytes}`;
      throw new UpstreamError(stream.isPartial ? 'UNREACHABLE' : 'INVALID', source.repository.registry, message);
    }
  }

  async #write(stream: BlobStream, claim: Claim, ingest: BoundedIngest): Promise<void> {
    const { startBytes, endBytes } = claim;
    claim.answeredAtMs = performance.now();
    const writer = new WriteBehind(startBytes, async (chunks, positionBytes) => {
      const newBytes = await writeMissing(ingest, chunks, positionBytes);
      // What is streamed through is held for its readers.
      if (!ingest.isPassing) for (const chunk of chunks) stream.recycle(chunk);
      // An upstream that ignores Range and keeps breaking brings the same bytes again: that is no progress.
      if (newBytes > 0) this.#failedAttempts = 0;
      this.#options.onWritten();
    });
    try {
      for await (const chunk of stream.body) {
        const wanted = chunk.subarray(0, Math.max(0, claim.endBytes - claim.positionBytes));
        claim.positionBytes += wanted.length;
        await writer.push(wanted);
        // Only when another request took the rest over: an answer that is read to its end leaves its connection usable.
        if (claim.endBytes < endBytes && claim.positionBytes >= claim.endBytes) break;
      }
    } finally {
      // What has come is not asked for again.
      await writer.flush();
    }
  }

  #learn(stream: BlobStream, claim: Claim, source: TransferSource, ingest: BoundedIngest): void {
    const { totalBytes } = stream;
    const { digest } = this.#options;
    const { registry, name } = source.repository;
    if (claim.isRanged) this.#honoursRange = stream.isPartial;
    if (stream.isPartial) this.#options.ranges.add(registry);
    if (totalBytes === undefined) {
      if (!stream.isPartial || this.#sizeBytes !== undefined) return;
      throw new UpstreamError('INVALID', registry, `sends parts of ${digest} without its size`);
    }
    if (this.#sizeBytes !== undefined && this.#sizeBytes !== totalBytes) {
      this.#isSizeDisputed = true;
      throw new UpstreamError(
        'INVALID',
        registry,
        `has ${totalBytes} bytes for ${digest}, which has ${this.#sizeBytes}`,
      );
    }
    this.#sizeBytes = totalBytes;
    this.#isSizeTold = true;
    claim.endBytes = Math.min(claim.endBytes, totalBytes);
    ingest.describe(totalBytes, name);
  }

  #recover(error: unknown, claim: Claim, source: TransferSource | undefined): void {
    if (this.#isDone) return;
    if (error instanceof CodedError && error.code === OUT_OF_ORDER) return this.advance();
    const isRangeRefused = error instanceof UpstreamError && error.status === 416;
    const verdict = judgeFailure(error, {
      isConfirmed: this.#hasBegun,
      failedAttempts: this.#failedAttempts,
      canDropRange: claim.isRanged && (this.#sizeBytes === undefined || isRangeRefused),
      otherSources: this.#sources.length - 1,
    });
    if (verdict.kind === 'fail') {
      this.stop();
      // That one source does not have it says nothing of what another one failed to send.
      this.#options.onFail(isNotFound(error) ? (this.#troubleElsewhere ?? error) : error, this.#isSizeDisputed);
      return;
    }
    if (verdict.kind === 'withoutRange') this.#honoursRange = false;
    if (verdict.kind === 'nextSource' && !isNotFound(error)) this.#troubleElsewhere = error;
    if (verdict.kind === 'nextSource' && source) this.#sources.splice(this.#sources.indexOf(source), 1);
    if (this.#retryTimer) return;
    this.#failedAttempts += 1;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.advance();
    }, verdict.delayMs);
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'NOT_FOUND';
}

/** Writes only what is missing: bytes that were hashed or read must never change. @returns how many were missing */
async function writeMissing(
  ingest: BoundedIngest,
  chunks: readonly Uint8Array[],
  positionBytes: number,
): Promise<number> {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const gap = ingest.have.firstGap(positionBytes, positionBytes + length);
  if (gap && gap[0] === positionBytes && gap[1] === positionBytes + length) {
    await ingest.write(chunks, positionBytes);
    return length;
  }
  let position = positionBytes;
  let newBytes = 0;
  for (const chunk of chunks) {
    const end = position + chunk.length;
    for (let part = ingest.have.firstGap(position, end); part; part = ingest.have.firstGap(part[1], end)) {
      await ingest.write([chunk.subarray(part[0] - position, part[1] - position)], part[0]);
      newBytes += part[1] - part[0];
    }
    position = end;
  }
  return newBytes;
}
