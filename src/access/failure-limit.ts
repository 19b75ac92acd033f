import { LRUCache } from 'lru-cache';
import { addressGroup } from './address-group.ts';

/** Enough for a person who mistypes; a machine that guesses gets 14,400 passwords a day. */
const LIMIT = 10;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

interface Window {
  readonly endsAtMs: number;
  failures: number;
}

/** Counts the failed logins of each address, and says when there were too many. */
export class FailureLimit {
  readonly #now: () => number;
  readonly #windows = new LRUCache<string, Window>({ max: MAX_ADDRESSES });

  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long the address has to wait before its next attempt, in ms; undefined: it may try now. */
  waitMs(address: string | undefined): number | undefined {
    const window = this.#windowOf(address);
    return window.failures >= LIMIT ? window.endsAtMs - this.#now() : undefined;
  }

  /** An attempt failed. It counts until its minute is over: whoever has an account is not free to guess others. */
  failed(address: string | undefined): void {
    this.#windowOf(address).failures += 1;
  }

  #windowOf(address: string | undefined): Window {
    const group = addressGroup(address);
    const known = this.#windows.get(group);
    const now = this.#now();
    if (known && now < known.endsAtMs) return known;
    const window = { endsAtMs: now + WINDOW_MS, failures: 0 };
    this.#windows.set(group, window);
    return window;
  }
}
