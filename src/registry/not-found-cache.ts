import { LRUCache } from 'lru-cache';

const MAX_ENTRIES = 10_000;

/** Remembers for a short time what an upstream said it does not have, so that it is not asked again and again. */
export class NotFoundCache {
  readonly #entries: LRUCache<string, true>;

  /** @param ttlMs 0 remembers nothing */
  constructor(ttlMs: number) {
    this.#entries = new LRUCache({ max: MAX_ENTRIES, ttl: Math.max(1, ttlMs) });
    this.#isOff = ttlMs <= 0;
  }

  readonly #isOff: boolean;

  has(repository: string, reference: string): boolean {
    return !this.#isOff && this.#entries.has(`${repository}@${reference}`);
  }

  add(repository: string, reference: string): void {
    if (!this.#isOff) this.#entries.set(`${repository}@${reference}`, true);
  }

  /** It is there now. */
  forget(repository: string, reference: string): void {
    this.#entries.delete(`${repository}@${reference}`);
  }
}
