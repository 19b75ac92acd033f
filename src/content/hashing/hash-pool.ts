import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import { ContentError } from '../content-error.ts';
import type { HashReply } from './messages.ts';
import { type ContentHash, RunningHash } from './running-hash.ts';

const MAX_WORKERS = 4;

/** Worker threads that hash content, so that no amount of hashing holds up the event loop. They start when first needed. */
export class HashPool implements AsyncDisposable {
  readonly #workers = new Map<number, Worker>();
  readonly #running = new Map<number, RunningHash>();
  #nextId = 0;
  #isClosed = false;

  /**
   * Give it up by `finish` or `stop` before the file is closed.
   * @param fd stays open until the hash is finished or stopped; undefined when all bytes will be passed
   * @throws ContentError the pool is closed
   */
  start(fd: number | undefined, algorithm: DigestAlgorithm): ContentHash {
    if (this.#isClosed) throw new ContentError('STORE_FAILED', 'the store is closed');
    const id = this.#nextId++;
    const running = new RunningHash({ id, fd, algorithm, onEnd: () => this.#running.delete(id) });
    this.#running.set(id, running);
    running.runOn(this.#worker(id));
    return running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#workers.values()].map((worker) => worker.terminate()));
    // Only now are their files no longer read.
    for (const running of this.#running.values()) {
      running.fail(new ContentError('STORE_FAILED', 'hashing was stopped'));
    }
  }

  #worker(id: number): Worker {
    const position = id % Math.min(MAX_WORKERS, availableParallelism());
    return this.#workers.get(position) ?? this.#startWorker(position);
  }

  #startWorker(position: number): Worker {
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', (reply: HashReply) => {
      const running = this.#running.get(reply.id);
      if (running?.isOn(worker)) running.hear(reply);
    });
    worker.on('error', (error) => this.#lose(position, worker, error));
    worker.on('exit', (code) => this.#lose(position, worker, new Error(`it exited with ${code}`)));
    this.#workers.set(position, worker);
    return worker;
  }

  /** A worker died: what can be read again goes on with a new one. */
  #lose(position: number, worker: Worker, cause: unknown): void {
    if (this.#isClosed) return;
    if (this.#workers.get(position) === worker) this.#workers.delete(position);
    for (const [id, running] of this.#running) {
      if (running.isOn(worker) && running.lose(cause)) running.runOn(this.#worker(id));
    }
  }
}
