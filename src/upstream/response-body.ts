import type { Dispatcher } from 'undici';
import type { UpstreamError } from './upstream-error.ts';

/** What the sending side can be told. */
export type BodyControl = Pick<Dispatcher.DispatchController, 'abort' | 'pause' | 'resume'>;

/** More than this does not wait for a reader: the sender is paused. */
const HIGH_WATER_BYTES = 256 * 1024;
/** What an unread rest of a body may cost before a new connection is cheaper. */
const DISCARD_LIMIT_BYTES = 64 * 1024;

/**
 * The bytes of one answer between undici and their reader. undici's own stream throws away what it holds when the
 * connection breaks; this one hands it out first, because a resumed download does not ask for those bytes again.
 */
export class ResponseBody implements AsyncIterable<Uint8Array> {
  readonly #control: BodyControl;
  /** What a reader gets who comes after the body was dropped. */
  readonly #dropped: () => UpstreamError;
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #isDiscarded = false;
  #hasEnded = false;
  #failure: UpstreamError | undefined;
  #wake: () => void = () => {};

  constructor(control: BodyControl, dropped: () => UpstreamError) {
    this.#control = control;
    this.#dropped = dropped;
  }

  push(chunk: Uint8Array): void {
    if (this.#failure) return;
    this.#waitingBytes += chunk.length;
    if (this.#isDiscarded) {
      if (this.#waitingBytes > DISCARD_LIMIT_BYTES) this.drop();
      return;
    }
    this.#chunks.push(chunk);
    if (!this.#isPaused && this.#waitingBytes >= HIGH_WATER_BYTES) {
      this.#isPaused = true;
      this.#control.pause();
    }
    this.#wake();
  }

  /** All bytes are here. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /** The connection broke: a reader gets what is here, then the error. */
  fail(error: UpstreamError): void {
    if (!this.#hasEnded) this.#failure ??= error;
    this.#wake();
  }

  /** Drops the connection and whatever is here; a reader gets the error at once. */
  drop(reason?: UpstreamError): void {
    if (this.#hasEnded && this.#chunks.length === 0) return;
    const error = reason ?? this.#failure ?? this.#dropped();
    this.#failure ??= error;
    this.#chunks = [];
    if (!this.#hasEnded) this.#control.abort(error);
    this.#wake();
  }

  /** Reads a short rest for nothing, so that the connection can be used again; drops a long one. */
  discard(): void {
    if (this.#hasEnded || this.#failure) return;
    this.#isDiscarded = true;
    this.#chunks = [];
    if (this.#waitingBytes > DISCARD_LIMIT_BYTES) this.drop();
    else this.#resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk) {
          this.#waitingBytes -= chunk.length;
          if (this.#waitingBytes < HIGH_WATER_BYTES / 2) this.#resume();
          yield chunk;
        } else if (this.#failure) throw this.#failure;
        else if (this.#hasEnded) return;
        else await this.#arrival();
      }
    } finally {
      this.drop();
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#control.resume();
  }
}
