/** One who waits for bytes. */
interface Taker {
  leftBytes: number;
  readonly done: () => void;
}

/** What may go at once after a rest. */
const BURST_MS = 50;
/** While somebody waits, or has just waited, so much of what timers or a busy process lost is made good. */
const CATCH_UP_MS = 500;

/**
 * A limit of bytes a second for all who take from it, a token bucket. Those who wait take turns, so that one who asks for
 * much does not hold up the others.
 */
export class ByteRate {
  readonly #bytesPerMs: number;
  /** One turn of a taker, and what is saved up at most while nobody waits. */
  readonly #burstBytes: number;
  readonly #takers: Taker[] = [];
  #bytes: number;
  #countedAtMs = performance.now();
  /** When somebody last had to wait. */
  #waitedAtMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#burstBytes = Math.max(1, this.#bytesPerMs * BURST_MS);
    this.#bytes = this.#burstBytes;
  }

  /** Resolves when so many bytes may go, or at once when the signal fires: what was not taken is for others then. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted || bytes <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const taker = { leftBytes: bytes, done: resolve };
    const onAbort = () => {
      const position = this.#takers.indexOf(taker);
      if (position !== -1) this.#takers.splice(position, 1);
      resolve();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#count();
    this.#takers.push(taker);
    this.#serve();
    await promise;
    signal?.removeEventListener('abort', onAbort);
  }

  /** Adds what the time since the last look brought. */
  #count(): void {
    const nowMs = performance.now();
    const isWanted = this.#takers.length > 0 || nowMs - this.#waitedAtMs <= BURST_MS;
    const mostBytes = Math.max(this.#burstBytes, isWanted ? this.#bytesPerMs * CATCH_UP_MS : 0);
    this.#bytes = Math.min(mostBytes, this.#bytes + (nowMs - this.#countedAtMs) * this.#bytesPerMs);
    this.#countedAtMs = nowMs;
  }

  /** Gives what there is, a turn to each, and comes back when there is enough for the next one. */
  #serve(): void {
    for (let taker = this.#takers[0]; taker; taker = this.#takers[0]) {
      const turnBytes = Math.min(taker.leftBytes, this.#burstBytes);
      if (this.#bytes < turnBytes) {
        this.#wake(Math.ceil((turnBytes - this.#bytes) / this.#bytesPerMs));
        return;
      }
      this.#bytes -= turnBytes;
      taker.leftBytes -= turnBytes;
      this.#takers.shift();
      if (taker.leftBytes > 0) this.#takers.push(taker);
      else taker.done();
    }
  }

  #wake(ms: number): void {
    if (this.#timer) return;
    this.#timer = setTimeout(() => this.#onTime(), ms);
  }

  #onTime(): void {
    this.#timer = undefined;
    if (this.#takers.length > 0) this.#waitedAtMs = performance.now();
    this.#count();
    this.#serve();
  }
}
