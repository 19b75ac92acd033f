import { ContentError } from '../../content/content-error.ts';
import type { ContentFile, Ingest, ReadonlyPieces } from '../../content/content-store.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BypassReason } from '../../telemetry/telemetry.ts';
import { CodedError } from '../../util/coded-error.ts';
import { IntervalSet } from '../../util/interval-set.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import { inTime } from '../space/in-time.ts';
import { Reservation } from '../space/reservation.ts';
import { PassingWindow } from './passing-window.ts';

export interface BoundedIngestOptions {
  readonly budget: DiskBudget;
  /** Whose quota it counts for. */
  readonly registry: string;
  /** What comes from now on is not kept. @param failure what the disk said, if it is for that */
  readonly onPassing: (reason: BypassReason, sizeBytes: number | undefined, failure?: ContentError) => void;
}

/** A way to read what has arrived, whose place is known: what it needs next must not go by unread. */
export interface IngestReader extends ContentFile {
  /** It needs the bytes from there on. */
  moveTo(positionBytes: number): void;
}

/** A reader of a {@link BoundedIngest} at an offset that has gone by must begin anew elsewhere. */
export const CONTENT_PASSED = 'CONTENT_PASSED';
/** Bytes that cannot be taken now, since what is streamed through comes in order. Those that come in order go on. */
export const OUT_OF_ORDER = 'OUT_OF_ORDER';

/** Space that is asked for at a time for a blob whose size nobody told. */
const STEP_BYTES = 8 * 1024 * 1024;

/**
 * An ingest that keeps to the budget: space is promised before the first byte is written. Where there is none, or where
 * the disk refuses in the middle, what comes from then on is streamed through: hashed, held for its readers for a moment,
 * and not kept.
 */
export class BoundedIngest implements Ingest {
  readonly #inner: Ingest;
  readonly #options: BoundedIngestOptions;
  readonly #window = new PassingWindow();
  readonly #passed = new IntervalSet();
  #reservation: Reservation | undefined;
  #admission: Promise<void> | undefined;
  #passingReason: BypassReason | undefined;
  #endBytes = 0;
  #hasEnded = false;
  #isDiscarded = false;
  /** Called for each piece that is streamed through: its readers must not wait for the next one. */
  onPassed: () => void = () => undefined;

  /**
   * @param inner the store's ingest, or one that keeps nothing
   * @param passingReason why it keeps nothing
   */
  constructor(inner: Ingest, options: BoundedIngestOptions, passingReason?: BypassReason) {
    this.#inner = inner;
    this.#options = options;
    this.#passingReason = passingReason;
  }

  get digest(): Digest {
    return this.#inner.digest;
  }

  get have(): ReadonlyPieces {
    return this.#inner.have;
  }

  get totalBytes(): number | undefined {
    return this.#inner.totalBytes;
  }

  /** What comes is not kept any more, and has to come in order. */
  get isPassing(): boolean {
    return this.#passingReason !== undefined;
  }

  get passingReason(): BypassReason | undefined {
    return this.#passingReason;
  }

  /** Could a reader begin at this offset and find everything from there on? */
  canBeRead(positionBytes: number): boolean {
    if (!this.isPassing) return true;
    const passed = this.#passed.toJSON().find(([, end]) => end > positionBytes);
    return !passed || this.#window.isAhead(Math.max(positionBytes, passed[0]), this.#endBytes);
  }

  describe(totalBytes: number, origin: string): void {
    this.#inner.describe(totalBytes, origin);
    // Room is made while the first bytes are on their way.
    if (!this.isPassing) this.#admission ??= this.#admit();
  }

  /** Waits until it is known whether there is room. */
  async admitted(): Promise<void> {
    if (this.isPassing) return;
    this.#admission ??= this.#admit();
    await this.#admission;
  }

  async write(chunks: readonly Uint8Array[], positionBytes: number): Promise<void> {
    await this.admitted();
    const lengthBytes = chunks.reduce((sum, { length }) => sum + length, 0);
    if (!this.isPassing && (await this.#isCovered(positionBytes + lengthBytes))) {
      try {
        await this.#inner.write(chunks, positionBytes);
        this.#reservation?.wrote(lengthBytes);
        return;
      } catch (error) {
        if (!(error instanceof ContentError)) throw error;
        this.#startPassing('store', error);
      }
    }
    await this.#pass(chunks, positionBytes);
  }

  pass(chunks: readonly Uint8Array[], positionBytes: number): void {
    this.#inner.pass(chunks, positionBytes);
  }

  openReader(positionBytes = 0): IngestReader {
    const file = this.#inner.openReader();
    const place = this.#window.enter(positionBytes);
    return {
      sizeBytes: file.sizeBytes,
      modifiedAtMs: undefined,
      moveTo: (position) => this.#window.move(place, position),
      read: async (buffer, position) => {
        const read = await this.#read(file, buffer, position, place.isLeftBehind);
        this.#window.move(place, position + read);
        return read;
      },
      [Symbol.asyncDispose]: async () => {
        this.#window.leave(place);
        await file[Symbol.asyncDispose]();
      },
    };
  }

  verify(): Promise<boolean> {
    return this.#inner.verify();
  }

  commit(): Promise<void> {
    return this.#inner.commit();
  }

  /** Content is stored: its row counts from now on. */
  settle(): void {
    this.#options.budget.unpark(this.digest);
    this.#release();
  }

  #release(): void {
    this.#reservation?.release();
    this.#reservation = undefined;
  }

  async discard(): Promise<void> {
    this.#hasEnded = true;
    this.#isDiscarded = true;
    try {
      await this.#inner.discard();
      this.#options.budget.unpark(this.digest);
    } finally {
      this.#release();
    }
  }

  /** Keeps the pieces for a later one, if they are worth it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isPassing) return this.discard();
    this.#hasEnded = true;
    try {
      await this.#inner[Symbol.asyncDispose]();
    } finally {
      if (this.#reservation) this.#park();
      this.#release();
    }
  }

  /** Without a size there is no going on where it stopped: the store keeps nothing then. */
  #park(): void {
    const sizeBytes = this.have.size;
    if (sizeBytes === 0 || this.totalBytes === undefined) return;
    this.#options.budget.park({ digest: this.digest, sizeBytes, atMs: Date.now() });
  }

  /** Asks for room. It never fails: whatever is wrong, the bytes can be streamed through. */
  async #admit(): Promise<void> {
    const { budget, registry } = this.#options;
    const haveBytes = this.have.size;
    const wantedBytes = this.totalBytes ?? Math.max(STEP_BYTES, haveBytes);
    const pieces = budget.parked.find(({ digest }) => digest === this.digest);
    const giveBack = (unwanted: Reservation) => {
      unwanted.release();
      // The pieces that were there before are on the disk still.
      if (pieces && !this.#isDiscarded) budget.park(pieces);
    };
    const asking = budget.reserve(registry, wantedBytes, this.digest);
    const granted = await inTime(asking, (late) => late instanceof Reservation && giveBack(late));
    if (!(granted instanceof Reservation)) {
      this.#startPassing(granted);
    } else if (this.#hasEnded) {
      giveBack(granted);
    } else {
      this.#reservation = granted;
      granted.wrote(haveBytes);
    }
  }

  /** Is there room up to that offset? More is asked for if an answer told a larger size, or none. */
  async #isCovered(endBytes: number): Promise<boolean> {
    const reservation = this.#reservation;
    if (!reservation) return false;
    for (;;) {
      const missingBytes = Math.max(endBytes, this.totalBytes ?? 0) - reservation.bytes;
      if (missingBytes <= 0) return true;
      const extending = this.#options.budget.extend(reservation, Math.max(STEP_BYTES, missingBytes));
      // What is granted too late is wanted no more: from then on nothing is written.
      const refusal = await inTime(extending, (late) => late === undefined && reservation.shrinkToWritten());
      if (refusal === undefined) continue;
      this.#startPassing(refusal);
      return false;
    }
  }

  #startPassing(reason: BypassReason, failure?: ContentError): void {
    if (this.isPassing || this.#hasEnded) return;
    this.#passingReason = reason;
    // Nothing more will be written.
    this.#reservation?.shrinkToWritten();
    this.#options.onPassing(reason, this.totalBytes, failure);
  }

  async #pass(chunks: readonly Uint8Array[], positionBytes: number): Promise<void> {
    let position = positionBytes;
    for (const chunk of chunks) {
      this.#throwIfAhead(position);
      await this.#window.room();
      this.#throwIfAhead(position);
      this.#inner.pass([chunk], position);
      this.#window.add(chunk, position);
      this.#passed.add(position, position + chunk.length);
      position += chunk.length;
      this.#endBytes = position;
      this.onPassed();
    }
  }

  #throwIfAhead(positionBytes: number): void {
    if (positionBytes === this.have.endFrom(0)) return;
    throw new CodedError(OUT_OF_ORDER, 'what is streamed through comes in order');
  }

  async #read(file: ContentFile, buffer: Uint8Array, positionBytes: number, isLeftBehind: boolean): Promise<number> {
    const fromWindow = this.#window.read(buffer, positionBytes);
    if (fromWindow !== undefined && !isLeftBehind) return fromWindow;
    const passed = this.#passed.toJSON().find(([, end]) => end > positionBytes);
    if (passed && (isLeftBehind || passed[0] <= positionBytes)) {
      throw new CodedError(CONTENT_PASSED, 'the reader is behind what is kept of this blob');
    }
    const length = passed ? Math.min(buffer.length, passed[0] - positionBytes) : buffer.length;
    return file.read(buffer.subarray(0, length), positionBytes);
  }
}
