/** Runs one call per key at a time; whoever asks meanwhile gets the same promise. */
export class SingleFlight<Value> {
  readonly #running = new Map<string, Promise<Value>>();

  /** The running call of this key, or a new one made with `start`. */
  run(key: string, start: () => Promise<Value>): Promise<Value> {
    const running = this.#running.get(key);
    if (running) return running;
    const started = start().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
