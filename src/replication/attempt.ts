import type { ReplicationJob } from '../metadata/replication-index.ts';
import type { Pace } from '../upstream/peer.ts';
import { within } from '../util/sleep.ts';
import type { Copy, CopyResult } from './copying/copy.ts';
import { StalledError } from './judge-failure.ts';
import type { Link } from './link.ts';

/** How a try ended. */
export type Ending =
  | { readonly kind: 'done'; readonly result: CopyResult }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'broken off' };

export interface AttemptOptions {
  readonly job: ReplicationJob;
  readonly link: Link;
  readonly copy: Copy;
  readonly saveProgress: (progress: string | undefined) => Promise<void>;
  readonly onSent: (bytes: number) => void;
}

/** What was broken off gets so long to end by itself, then nobody waits for it. */
const GRACE_MS = 10_000;

/** One try of a job, which ends soon when it is broken off, whatever it does. */
export class Attempt {
  readonly job: ReplicationJob;
  readonly link: Link;
  readonly startedAtMs = Date.now();
  readonly #options: AttemptOptions;
  readonly #stop = new AbortController();
  #sentBytes = 0;
  #hasAsked = false;
  #movedAt = performance.now();

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.job = options.job;
    this.link = options.link;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Was the peer asked for anything? */
  get hasAsked(): boolean {
    return this.#hasAsked;
  }

  get isBrokenOff(): boolean {
    return this.#stop.signal.aborted;
  }

  /** How long it has sent nothing, and begun nothing that is sent. */
  get quietMs(): number {
    return performance.now() - this.#movedAt;
  }

  /** @param stalled it failed because it stood still; absent: it is no fault of its own */
  breakOff(stalled?: StalledError): void {
    this.#stop.abort(stalled);
  }

  async run(): Promise<Ending> {
    const { signal } = this.#stop;
    if (signal.aborted) return { kind: 'broken off' };
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => onAbort(), { once: true });
    this.#moved();
    const copied = this.#copy();
    const late = aborted.then(async () => (await within(GRACE_MS, copied)) ?? this.#endingOfAbort());
    return Promise.race([copied, late]);
  }

  async #copy(): Promise<Ending> {
    const { job, link, copy, saveProgress } = this.#options;
    try {
      const result = await copy({
        job,
        rule: link.rule,
        peer: link.peer,
        pace: this.#watched(link.pace),
        signal: this.#stop.signal,
        mayFetch: link.rule.fetch,
        onSent: (bytes) => this.#onSent(bytes),
        saveProgress: async (progress) => {
          this.#moved();
          await saveProgress(progress);
        },
      });
      return { kind: 'done', result };
    } catch (error) {
      return this.isBrokenOff ? this.#endingOfAbort() : { kind: 'failed', error };
    }
  }

  #endingOfAbort(): Ending {
    const reason: unknown = this.#stop.signal.reason;
    return reason instanceof StalledError ? { kind: 'failed', error: reason } : { kind: 'broken off' };
  }

  /** All that is sent takes from it, the smallest request as well. */
  #watched(pace: Pace): Pace {
    return {
      take: async (bytes, signal) => {
        await pace.take(bytes, signal);
        this.#hasAsked = true;
        this.#moved();
      },
    };
  }

  #onSent(bytes: number): void {
    this.#moved();
    this.#sentBytes += bytes;
    this.#options.onSent(bytes);
  }

  #moved(): void {
    this.#movedAt = performance.now();
  }
}
