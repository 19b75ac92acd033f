import { LRUCache } from 'lru-cache';

const BLOCKED_FOR_MS = 60_000;
const MAX_ENTRIES = 1000;

/**
 * What is known of how the configured credentials fare, by where they are sent (a realm, or the registry itself).
 * Docker Hub locks an account out after a few wrong passwords, so refused credentials rest for a minute.
 */
export class CredentialStanding {
  readonly #blocked: LRUCache<string, true>;
  readonly #proven = new LRUCache<string, true>({ max: MAX_ENTRIES });

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#blocked = new LRUCache({ max: MAX_ENTRIES, ttl: BLOCKED_FOR_MS, ttlResolution: 0, perf: { now } });
  }

  /** May they be sent there, for this? */
  mayUse(place: string, purpose: string): boolean {
    return !this.#blocked.has(place) && !this.#blocked.has(`${place} ${purpose}`);
  }

  /** Have they been accepted there, and not been found wrong since? */
  isProven(place: string): boolean {
    return this.#proven.has(place);
  }

  accepted(place: string): void {
    this.#proven.set(place, true);
  }

  /** They are wrong. */
  refused(place: string): void {
    this.#proven.delete(place);
    this.#blocked.set(place, true);
  }

  /** They worked before and now they don't: for this they rest, and the next refusal anywhere is taken as final. */
  doubted(place: string, purpose: string): void {
    this.#proven.delete(place);
    this.refusedFor(place, purpose);
  }

  /** They are right, but not for this. */
  refusedFor(place: string, purpose: string): void {
    this.#blocked.set(`${place} ${purpose}`, true);
  }
}
