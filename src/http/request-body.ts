import type { IncomingMessage } from 'node:http';
import type { IncomingBytes, UploadRange } from '../registry/pushing/incoming-bytes.ts';
import { RegistryError } from '../registry/registry-error.ts';
import { SpentMemory } from './spent-memory.ts';

/** What is taken from the connection before somebody asks for it: while one batch is written, the next one comes. */
const AHEAD_BYTES = 2 * 1024 * 1024;
/** The same in pieces: each takes memory of its own, and a client may send it byte by byte. */
const AHEAD_CHUNKS = 1024;
/** A client that sends nothing for so long is not waited for: what has come stays, and it may go on later. */
const STALL_MS = 60_000;

/** The bytes that a client sends with a request, in batches as large as they come. Disposing it leaves the rest alone. */
export class RequestBody implements IncomingBytes, Disposable {
  readonly range: UploadRange | undefined;
  readonly #message: IncomingMessage;
  readonly #stallMs: number;
  readonly #spent: SpentMemory;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isReading = false;
  #isEnded = false;
  #failure: RegistryError | undefined;
  #wake: (() => void) | undefined;

  constructor(message: IncomingMessage, range?: UploadRange, stallMs = STALL_MS) {
    this.#message = message;
    this.range = range;
    this.#stallMs = stallMs;
    this.#spent = new SpentMemory(message);
  }

  get sizeBytes(): number | undefined {
    const { 'content-length': length, 'transfer-encoding': encoding } = this.#message.headers;
    if (length !== undefined) return Number(length);
    // Over HTTP/2 a body needs neither; where there is none, the request is complete with its headers.
    const hasBody = this.#message.httpVersionMajor === 1 ? encoding !== undefined : !this.#message.complete;
    return hasBody ? undefined : 0;
  }

  async next(): Promise<readonly Uint8Array[] | undefined> {
    const chunks = await this.#take();
    this.#spent.turn();
    return chunks;
  }

  /** All of it. @throws RegistryError MANIFEST_TOO_LARGE for more than the limit */
  async whole(limitBytes: number): Promise<Uint8Array> {
    const tooLarge = () => new RegistryError('MANIFEST_TOO_LARGE', `a manifest may have ${limitBytes} bytes at most`);
    if ((this.sizeBytes ?? 0) > limitBytes) throw tooLarge();
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (let batch = await this.#take(); batch; batch = await this.#take()) {
      bytes += batch.reduce((sum, { length }) => sum + length, 0);
      if (bytes > limitBytes) throw tooLarge();
      for (const chunk of batch) chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  [Symbol.dispose](): void {
    this.#message
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onClose);
    this.#chunks = [];
  }

  async #take(): Promise<readonly Uint8Array[] | undefined> {
    this.#read();
    if (this.#bytes === 0 && !this.#isEnded && this.#failure === undefined) await this.#wait();
    if (this.#bytes > 0) {
      const chunks = this.#chunks;
      this.#chunks = [];
      this.#bytes = 0;
      this.#message.resume();
      return chunks;
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    if (this.#message.destroyed && !this.#message.complete) this.#onClose();
    this.#message.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose);
  }

  async #wait(): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#wake = waiting.resolve;
    const timer = setTimeout(() => this.#fail(`nothing came for ${this.#stallMs / 1000} s`), this.#stallMs);
    try {
      await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#chunks.push(chunk);
    this.#spent.add(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= AHEAD_BYTES || this.#chunks.length >= AHEAD_CHUNKS) this.#message.pause();
    this.#wake?.();
  };

  readonly #onEnd = (): void => {
    this.#isEnded = true;
    this.#wake?.();
  };

  readonly #onError = (): void => {
    this.#fail('the connection broke');
  };

  readonly #onClose = (): void => {
    if (!this.#isEnded) this.#fail('the connection was closed in the middle');
  };

  #fail(why: string): void {
    this.#failure ??= new RegistryError('UPLOAD_INVALID', `the client's bytes did not all come: ${why}`);
    this.#wake?.();
  }
}
