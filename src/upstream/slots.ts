import { throwIfGivenUp, untilGivenUp } from './caller-signal.ts';
import { purposeOf } from './purpose-of.ts';
import type { CallOptions, Purpose } from './upstream.ts';

/** Gives back a slot; further calls do nothing. */
export type ReleaseSlot = () => void;

interface Call {
  readonly purpose?: CallOptions['purpose'];
  readonly start: () => void;
}

const RANKS: Readonly<Record<Purpose, number>> = { miss: 0, revalidation: 1, warm: 2, readAhead: 3 };
/** How soon it is noticed that a client waits for a call that began without one. */
const RECHECK_MS = 50;

/**
 * So many calls at the same time; a slot is held until it is given back. Who waits gets it by what the call is for when
 * a slot becomes free, and among equals in the order in which they came. What no client waits for, warming and
 * read-ahead, leaves a quarter of the slots free, at least one unless there is only one.
 */
export class Slots {
  readonly #upstream: string;
  readonly #count: number;
  readonly #maxBackground: number;
  readonly #held = new Set<Call>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Call>();
  #recheck: NodeJS.Timeout | undefined;

  constructor(upstream: string, count: number) {
    this.#upstream = upstream;
    this.#count = count;
    this.#maxBackground = count === 1 ? 1 : count - Math.max(Math.floor(count / 4), 1);
  }

  /** @throws UpstreamError `TIMEOUT` as soon as the signal fires while waiting */
  async take({ purpose, signal }: CallOptions): Promise<ReleaseSlot> {
    throwIfGivenUp(this.#upstream, signal);
    const turn = Promise.withResolvers<void>();
    const call: Call = { purpose, start: turn.resolve };
    this.#waiting.add(call);
    this.#startNext();
    const release = () => {
      if (this.#held.delete(call)) this.#startNext();
    };
    try {
      await untilGivenUp(this.#upstream, turn.promise, signal);
      return release;
    } catch (error) {
      this.#waiting.delete(call);
      // The turn may have come in the same moment.
      release();
      throw error;
    }
  }

  /** Runs a call in a slot. */
  async run<Value>(options: CallOptions, call: () => Promise<Value>): Promise<Value> {
    const release = await this.take(options);
    try {
      return await call();
    } finally {
      release();
    }
  }

  #startNext(): void {
    clearTimeout(this.#recheck);
    for (let next = this.#next(); next; next = this.#next()) {
      this.#waiting.delete(next);
      this.#held.add(next);
      next.start();
    }
    // Nobody says so when a client joins what waits here, or what runs.
    if (this.#waiting.size > 0 && this.#held.size < this.#count) {
      this.#recheck = setTimeout(() => this.#startNext(), RECHECK_MS).unref();
    }
  }

  #next(): Call | undefined {
    if (this.#held.size >= this.#count) return undefined;
    let best: Call | undefined;
    for (const call of this.#waiting) if (!best || rankOf(call) < rankOf(best)) best = call;
    if (!best || rankOf(best) < RANKS.warm) return best;
    const background = [...this.#held].filter((call) => rankOf(call) >= RANKS.warm);
    return background.length < this.#maxBackground ? best : undefined;
  }
}

function rankOf(call: Call): number {
  return RANKS[purposeOf(call)];
}
