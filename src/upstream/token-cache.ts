import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../util/single-flight.ts';
import type { TokenGrant } from './token-client.ts';

/** A token at hand. */
export interface CachedToken {
  readonly value: string;
  /** On the clock of the cache. */
  readonly fetchedAt: number;
  readonly freshUntil: number;
}

const MAX_TOKENS = 2000;
/** A request that starts with a token has to arrive before the token ends. */
const MARGIN_MS = 30_000;

/** Tokens by key: one request for each however many ask, again shortly before it runs out. */
export class TokenCache {
  readonly #now: () => number;
  readonly #tokens = new LRUCache<string, CachedToken>({ max: MAX_TOKENS });
  readonly #flights = new SingleFlight<CachedToken | undefined>();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The token of this key; undefined when it is refused, which is not remembered. */
  async get(key: string, request: () => Promise<TokenGrant>): Promise<CachedToken | undefined> {
    const known = this.#tokens.get(key);
    if (known && this.#now() < known.freshUntil) return known;
    return this.#flights.run(key, async () => {
      const grant = await request();
      if (!('token' in grant)) return undefined;
      const { value, lifetimeMs } = grant.token;
      const fetchedAt = this.#now();
      const token = { value, fetchedAt, freshUntil: fetchedAt + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 5) };
      this.#tokens.set(key, token);
      return token;
    });
  }

  /** Forgets a token that was refused, unless another one has taken its place. */
  drop(key: string, token: CachedToken): void {
    if (this.#tokens.peek(key) === token) this.#tokens.delete(key);
  }
}
