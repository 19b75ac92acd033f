import { CodedError } from '../../util/coded-error.ts';
import type { IngestReader } from './bounded-ingest.ts';

/** The view of a fill that its readers have. */
export interface Readable {
  /** How far a reader at this offset may read now; the offset itself when it must wait. */
  availableEnd(positionBytes: number): number;
  /** Nothing comes after this offset. */
  isEnd(positionBytes: number): boolean;
  /** Why no more bytes will come; undefined while they may. */
  failureAt(positionBytes: number): Error | undefined;
  /** A reader began to wait: perhaps a request must be made for it. */
  onWait(): void;
  onClose(reader: FillReader): void;
}

/** One client's way through a blob that is being filled: it reads at its own pace, from its own offset. */
export class FillReader implements AsyncDisposable {
  readonly #fill: Readable;
  readonly #file: IngestReader;
  #positionBytes: number;
  #isWaiting = true;
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(fill: Readable, file: IngestReader, positionBytes: number) {
    this.#fill = fill;
    this.#file = file;
    this.#positionBytes = positionBytes;
  }

  /** Where this reader waits for a byte that is not there; undefined while it has enough to read. */
  get wantedBytes(): number | undefined {
    return this.#isWaiting ? this.#positionBytes : undefined;
  }

  /** Reads at least one byte, as soon as one is there; 0 at the end. @throws what made the fill fail */
  async read(buffer: Uint8Array, positionBytes: number): Promise<number> {
    this.#positionBytes = positionBytes;
    this.#file.moveTo(positionBytes);
    for (;;) {
      if (this.#isClosed) throw new CodedError('READER_CLOSED', 'the reader was closed');
      const failure = this.#fill.failureAt(positionBytes);
      if (failure !== undefined) throw failure;
      const end = this.#fill.availableEnd(positionBytes);
      if (end > positionBytes) {
        this.#isWaiting = false;
        const length = Math.min(buffer.length, end - positionBytes);
        return this.#file.read(buffer.subarray(0, length), positionBytes);
      }
      if (this.#fill.isEnd(positionBytes)) return 0;
      await this.#wait();
    }
  }

  /** The fill moved on: look again. */
  wake(): void {
    if (!this.#wake) return;
    if (this.#fill.availableEnd(this.#positionBytes) > this.#positionBytes) this.#wake();
  }

  /** The fill ended, well or not: look again whatever is there. */
  wakeAnyway(): void {
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isWaiting = false;
    this.#wake?.();
    this.#fill.onClose(this);
    await this.#file[Symbol.asyncDispose]();
  }

  async #wait(): Promise<void> {
    this.#isWaiting = true;
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#fill.onWait();
    await woken;
    this.#wake = undefined;
  }
}
