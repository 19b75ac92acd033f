import type { Worker } from 'node:worker_threads';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import { ContentError } from '../content-error.ts';
import type { HashReply, HashRequest, HashStep } from './messages.ts';

/** Hashing of one content, from its first byte on: from a growing file, from memory, or by turns. */
export interface ContentHash {
  /** Bytes up to here are in the file now. */
  advance(toBytes: number): void;
  /** Reads on up to here, and resolves when that is hashed. @throws what `finish` throws */
  reach(toBytes: number): Promise<void>;
  /** Reads on up to the offset, and takes copies of these bytes instead of what the file has there. */
  pass(chunks: readonly Uint8Array[], positionBytes: number): void;
  /** Hashes the rest up to the size, and gives the sum in hex. @throws ContentError, {@link UnreadableError} */
  finish(sizeBytes: number): Promise<string>;
  /** Ends it; when it returns the file is no longer read. */
  stop(): Promise<void>;
}

/** The file could not be read, or ended too early. */
export class UnreadableError extends ContentError {
  constructor(message: string) {
    super('STORE_FAILED', `hashing failed: ${message}`);
  }
}

/** A hash as a job of a worker. It survives the death of one worker if all of its bytes are in a file. */
export class RunningHash implements ContentHash {
  readonly #id: number;
  readonly #fd: number | undefined;
  readonly #algorithm: DigestAlgorithm;
  readonly #onEnd: () => void;
  readonly #sum = Promise.withResolvers<string>();
  #worker: Worker | undefined;
  #toBytes = 0;
  #isLast = false;
  #hasPassed = false;
  #wasRestarted = false;
  #hasEnded = false;
  #onReached: (() => void) | undefined;
  #stopped: PromiseWithResolvers<void> | undefined;

  /** Call {@link runOn} to begin. @param parts `onEnd` is called when no worker works on it any more */
  constructor(parts: { id: number; fd: number | undefined; algorithm: DigestAlgorithm; onEnd: () => void }) {
    this.#id = parts.id;
    this.#fd = parts.fd;
    this.#algorithm = parts.algorithm;
    this.#onEnd = parts.onEnd;
    // The caller may never ask for the result; a failure is then nobody's news.
    this.#sum.promise.catch(() => undefined);
  }

  isOn(worker: Worker): boolean {
    return this.#worker === worker;
  }

  /** Starts on a worker, or once more on another one: then from the first byte on. */
  runOn(worker: Worker): void {
    this.#worker = worker;
    this.#send({ kind: 'start', id: this.#id, fd: this.#fd, algorithm: this.#algorithm });
    if (this.#toBytes > 0) this.#step({ kind: 'read', toBytes: this.#toBytes });
    if (this.#onReached) this.#step({ kind: 'tell' });
    if (this.#isLast) this.#step({ kind: 'sum' });
  }

  /** Its worker died. @returns whether it wants another one */
  lose(cause: unknown): boolean {
    const isHopeless = this.#stopped !== undefined || this.#hasPassed || this.#wasRestarted;
    if (isHopeless) this.fail(new ContentError('STORE_FAILED', 'a hash worker died', { cause }));
    this.#wasRestarted = true;
    return !isHopeless;
  }

  hear(reply: HashReply): void {
    switch (reply.kind) {
      case 'reached':
        this.#onReached?.();
        return;
      case 'hashed':
        this.#sum.resolve(reply.hex);
        this.#end();
        return;
      case 'failed':
        this.fail(new UnreadableError(reply.message));
        return;
      case 'stopped':
        this.fail(new ContentError('STORE_FAILED', 'hashing was stopped'));
    }
  }

  fail(error: ContentError): void {
    this.#sum.reject(error);
    this.#end();
  }

  advance(toBytes: number): void {
    this.#toBytes = Math.max(this.#toBytes, toBytes);
    this.#step({ kind: 'read', toBytes });
  }

  async reach(toBytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onReached = resolve;
    this.advance(toBytes);
    this.#step({ kind: 'tell' });
    await Promise.race([promise, this.#sum.promise]);
    this.#onReached = undefined;
  }

  pass(chunks: readonly Uint8Array[], positionBytes: number): void {
    this.advance(positionBytes);
    this.#hasPassed = true;
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let end = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, end);
      end += chunk.length;
    }
    this.#step({ kind: 'bytes', bytes }, [bytes.buffer]);
  }

  finish(sizeBytes: number): Promise<string> {
    this.advance(sizeBytes);
    this.#isLast = true;
    this.#step({ kind: 'sum' });
    return this.#sum.promise;
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    if (!this.#stopped) {
      this.#stopped = Promise.withResolvers<void>();
      this.#send({ kind: 'stop', id: this.#id });
    }
    await this.#stopped.promise;
  }

  #step(step: HashStep, transfer?: ArrayBuffer[]): void {
    this.#send({ kind: 'step', id: this.#id, step }, transfer);
  }

  #send(request: HashRequest, transfer?: ArrayBuffer[]): void {
    if (!this.#hasEnded) this.#worker?.postMessage(request, transfer);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#stopped?.resolve();
    this.#onEnd();
  }
}
