/** Lets one piece of work at a time pass for each key; those that wait go in the order in which they came. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs the work when all earlier work of this key has ended, well or not. */
  async run<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#last.get(key);
    const mine = before === undefined ? work() : before.then(work);
    // What comes after must not be hit by a failure of this.
    const settled = mine.catch(() => undefined);
    this.#last.set(key, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }

  /** Runs the work when it is its turn for all of these keys. */
  runAll<Value>(keys: readonly string[], work: () => Promise<Value>): Promise<Value> {
    // Always in the same order: two that wait for each other would wait for ever.
    const ordered = [...new Set(keys)].sort();
    return ordered.reduceRight<() => Promise<Value>>((inner, key) => () => this.run(key, inner), work)();
  }
}
