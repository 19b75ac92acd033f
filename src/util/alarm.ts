/** Timers know no longer time. */
const MAX_MS = 2 ** 31 - 1;

/** A wait of one that can be cut short: by a ring while it lasts, or since the wait before ended. */
export class Alarm {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves after that time, or when it rings. The process does not live for it. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, Math.min(Math.max(ms, 0), MAX_MS)).unref();
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#isRung = false;
  }
}
