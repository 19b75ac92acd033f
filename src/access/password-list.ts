import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { PasswordHashes } from './htpasswd.ts';

/** What a login is made of. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** How long a verdict is remembered: a push makes dozens of requests. */
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** For so long whoever has logged in is not held up by others who fail at the same address. */
const TRUSTED_MS = 24 * 3_600_000;
const LOWEST_COST = '04';

/** The users of one reading of the password file, with what was found out about their logins. */
export class PasswordList {
  readonly #hashes: PasswordHashes;
  readonly #decoy: string;
  readonly #secret = randomBytes(32);
  readonly #verdicts: LRUCache<string, boolean>;
  readonly #accepted: LRUCache<string, true>;

  constructor(hashes: PasswordHashes, now: () => number) {
    this.#hashes = hashes;
    this.#decoy = decoyFor(hashes);
    this.#verdicts = new LRUCache({ max: MAX_REMEMBERED, ttl: REMEMBER_MS, ttlResolution: 0, perf: { now } });
    this.#accepted = new LRUCache({ max: MAX_REMEMBERED, ttl: TRUSTED_MS, ttlResolution: 0, perf: { now } });
  }

  get isEmpty(): boolean {
    return this.#hashes.size === 0;
  }

  has(name: string): boolean {
    return this.#hashes.has(name);
  }

  /** The hash to compare with: for unknown users one that fits nothing and takes as long. */
  hashFor(name: string): string {
    return this.#hashes.get(name) ?? this.#decoy;
  }

  /** Stands for credentials in memory; from it they cannot be found by guessing without this list's secret. */
  keyOf({ name, password }: Credentials): string {
    return createHmac('sha256', this.#secret).update(`${name}\0${password}`).digest('base64');
  }

  /** What was found out about these credentials a short while ago. */
  recall(key: string): boolean | undefined {
    return this.#verdicts.get(key);
  }

  /** Were these credentials right within the last day? They are compared again all the same. */
  wasAccepted(key: string): boolean {
    return this.#accepted.has(key);
  }

  remember(key: string, isRight: boolean): void {
    this.#verdicts.set(key, isRight);
    if (isRight) this.#accepted.set(key, true);
  }
}

function decoyFor(hashes: PasswordHashes): string {
  const costs = [...hashes.values()].map((hash) => hash.slice(4, 6));
  const cost = costs.sort().at(-1) ?? LOWEST_COST;
  return `$2b$${cost}$${'.'.repeat(53)}`;
}
