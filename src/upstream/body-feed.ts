import type { BodyStream } from './exchange.ts';

export interface FeedOptions {
  /** Within that time the network has to take a piece. */
  readonly stallMs: number;
  /** And within that time after the last one the answer has to come. */
  readonly headersMs: number;
  /** One of them has passed. */
  readonly onStall: (problem: 'stopped taking bytes' | 'does not answer') => void;
}

/**
 * The bytes of one request on their way to undici, which would wait for ever for a server that takes no more of them, and
 * goes on reading them when the answer has come before they were through.
 */
export class BodyFeed implements AsyncIterable<Uint8Array> {
  readonly #stream: BodyStream;
  readonly #options: FeedOptions;
  readonly #stop = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  #leftBytes: number;
  #isAnswered = false;
  #source: AsyncIterator<Uint8Array> | undefined;
  #failure: unknown;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};

  constructor(stream: BodyStream, options: FeedOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#leftBytes = stream.sizeBytes;
  }

  /** What the source of the bytes threw; undefined: nothing. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The answer is here: no more bytes are wanted. */
  stop(): void {
    this.#isAnswered = true;
    clearTimeout(this.#timer);
    if (this.#leftBytes <= 0) return;
    this.#stop.abort();
    this.#wake();
    this.#letGo();
  }

  /** The answer is here in full, or there will be none. */
  end(): void {
    this.stop();
    this.#over.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const source = this.#stream.open(this.#stop.signal)[Symbol.asyncIterator]();
    this.#source = source;
    try {
      for (let next = await this.#next(source); next?.done !== true; next = await this.#next(source)) {
        if (!next) return await this.#brokenOff();
        this.#leftBytes -= next.value.length;
        this.#watch(this.#options.stallMs, 'stopped taking bytes');
        yield next.value;
        clearTimeout(this.#timer);
      }
      this.#watch(this.#options.headersMs, 'does not answer');
    } finally {
      this.#letGo();
    }
  }

  /** The source may be in the middle of a reading, and nobody waits for that. */
  #letGo(): void {
    void Promise.resolve(this.#source?.return?.()).catch(() => undefined);
    this.#source = undefined;
  }

  /** The next piece; undefined: none is wanted. The time that the source takes is not the network's. */
  #next(source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array> | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array> | undefined>();
    if (this.#stop.signal.aborted) resolve(undefined);
    else {
      this.#wake = () => resolve(undefined);
      source.next().then(resolve, (error: unknown) => {
        if (!this.#stop.signal.aborted) this.#failure = error;
        reject(error);
      });
    }
    return promise;
  }

  /** An early end would break the connection before the answer was read. */
  async #brokenOff(): Promise<never> {
    await this.#over.promise;
    throw new Error('the answer came before all bytes were sent');
  }

  #watch(ms: number, problem: Parameters<FeedOptions['onStall']>[0]): void {
    clearTimeout(this.#timer);
    if (this.#isAnswered) return;
    this.#timer = setTimeout(() => this.#options.onStall(problem), ms);
  }
}
