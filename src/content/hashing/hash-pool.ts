import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import { ContentError } from '../content-error.ts';
import type { HashReply, HashRequest } from './messages.ts';

const MAX_WORKERS = 4;

/** Hashing of one growing file. Give each {@link FileHash} up by `finish` or `stop` before the file is closed. */
export interface FileHash {
  /** Bytes up to here are in the file now. */
  advance(toBytes: number): void;
  /** Hashes the rest up to the size, and gives the sum in hex. @throws ContentError the file cannot be read */
  finish(sizeBytes: number): Promise<string>;
  /** Ends it; when it returns the file is no longer read. */
  stop(): Promise<void>;
}

interface Pending {
  readonly worker: Worker;
  resolve: (hex: string) => void;
  reject: (error: Error) => void;
  onStopped: () => void;
}

/** Worker threads that hash files, so that no amount of hashing holds up the event loop. They start when first needed. */
export class HashPool implements AsyncDisposable {
  readonly #workers = new Map<number, Worker>();
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;

  /** @param fd stays open until the hash is finished or stopped */
  start(fd: number, algorithm: DigestAlgorithm): FileHash {
    const id = this.#nextId++;
    const worker = this.#worker(id);
    const send = (request: HashRequest) => worker.postMessage(request);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    // The caller may never ask for the result; a failure is then nobody's news.
    promise.catch(() => undefined);
    const pending: Pending = { worker, resolve, reject, onStopped: () => undefined };
    this.#pending.set(id, pending);
    send({ kind: 'start', id, fd, algorithm });
    return {
      advance: (toBytes) => send({ kind: 'advance', id, toBytes, final: false }),
      finish: (sizeBytes) => {
        send({ kind: 'advance', id, toBytes: sizeBytes, final: true });
        return promise;
      },
      stop: async () => {
        if (!this.#pending.has(id)) return;
        await new Promise<void>((stopped) => {
          pending.onStopped = stopped;
          send({ kind: 'stop', id });
        });
        reject(new ContentError('STORE_FAILED', 'hashing was stopped'));
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pending of this.#pending.values())
      fail(pending, new ContentError('STORE_FAILED', 'hashing was stopped'));
    this.#pending.clear();
    await Promise.all([...this.#workers.values()].map((worker) => worker.terminate()));
  }

  #worker(id: number): Worker {
    const count = Math.min(MAX_WORKERS, availableParallelism());
    const position = id % count;
    let worker = this.#workers.get(position);
    if (!worker) {
      worker = new Worker(new URL('./hash-worker.ts', import.meta.url));
      worker.unref();
      worker.on('message', (reply: HashReply) => this.#hear(reply));
      worker.on('error', (error) => this.#lose(position, error));
      this.#workers.set(position, worker);
    }
    return worker;
  }

  #hear(reply: HashReply): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    this.#pending.delete(reply.id);
    pending.onStopped();
    if (reply.kind === 'hashed') pending.resolve(reply.hex);
    if (reply.kind === 'failed') pending.reject(new ContentError('STORE_FAILED', `hashing failed: ${reply.message}`));
  }

  /** A worker died: its jobs fail, and the next job gets a new worker. */
  #lose(position: number, error: unknown): void {
    const lost = this.#workers.get(position);
    this.#workers.delete(position);
    for (const [id, pending] of this.#pending) {
      if (pending.worker !== lost) continue;
      this.#pending.delete(id);
      fail(pending, new ContentError('STORE_FAILED', 'a hash worker died', { cause: error }));
    }
  }
}

function fail(pending: Pending, error: ContentError): void {
  pending.onStopped();
  pending.reject(error);
}
