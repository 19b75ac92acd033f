import { constants } from 'node:os';

type StopSignal = 'SIGTERM' | 'SIGINT';

/** SIGTERM and SIGINT while it lives: the first one is told, the second one ends the process at once. */
export class StopSignals implements Disposable {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  readonly #onSignal: (signal: StopSignal) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<StopSignal>();
    let isStopping = false;
    this.first = promise;
    this.#onSignal = (signal) => {
      // A shell's convention: 128 and the signal's number.
      if (isStopping) process.exit(128 + constants.signals[signal]);
      isStopping = true;
      resolve(signal);
    };
    process.on('SIGTERM', this.#onSignal).on('SIGINT', this.#onSignal);
  }

  [Symbol.dispose](): void {
    process.off('SIGTERM', this.#onSignal).off('SIGINT', this.#onSignal);
  }
}
