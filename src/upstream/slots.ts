import pLimit, { type LimitFunction } from 'p-limit';
import { untilGivenUp } from './caller-signal.ts';

/** Gives back a slot; further calls do nothing. */
export type ReleaseSlot = () => void;

/** So many calls at the same time, first come, first served. A slot is held until it is given back. */
export class Slots {
  readonly #upstream: string;
  readonly #limit: LimitFunction;

  constructor(upstream: string, count: number) {
    this.#upstream = upstream;
    this.#limit = pLimit(count);
  }

  /** @throws UpstreamError `TIMEOUT` as soon as the signal fires while waiting */
  async take(signal: AbortSignal | undefined): Promise<ReleaseSlot> {
    const turn = Promise.withResolvers<ReleaseSlot>();
    void this.#limit(() => {
      if (signal?.aborted) return undefined;
      const held = Promise.withResolvers<void>();
      turn.resolve(held.resolve);
      return held.promise;
    });
    try {
      return await untilGivenUp(this.#upstream, turn.promise, signal);
    } catch (error) {
      // The turn may have come in the same moment.
      turn.promise.then(
        (release) => release(),
        () => {},
      );
      throw error;
    }
  }

  /** Runs a call in a slot. */
  async run<Value>(signal: AbortSignal | undefined, call: () => Promise<Value>): Promise<Value> {
    const release = await this.take(signal);
    try {
      return await call();
    } finally {
      release();
    }
  }
}
