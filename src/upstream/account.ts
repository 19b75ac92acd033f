import type { Telemetry } from '../telemetry/telemetry.ts';
import type { AddressGuard } from './address-guard.ts';
import { authenticating } from './authenticating.ts';
import { Authorizer } from './authorizer.ts';
import type { UpstreamCredentials } from './credentials.ts';
import type { Exchange } from './exchange.ts';
import { failingStatuses } from './failing-statuses.ts';
import { metering } from './metering.ts';
import { RateBudget } from './rate-budget.ts';
import { readingBodies } from './read-body.ts';
import { followingRedirects } from './redirects.ts';
import { TokenClient } from './token-client.ts';
import type { AccountReport } from './upstream.ts';

/** What the accounts of an upstream have in common. */
export interface AccountOptions {
  readonly upstream: string;
  /** The registry's base. */
  readonly url: URL;
  readonly guard: AddressGuard;
  /** Sends one request, redirects not followed. */
  readonly network: Exchange;
  /** The part of the rate limit that is kept for misses. */
  readonly rateReserve: number;
  readonly telemetry: Pick<Telemetry, 'credentialsRefused' | 'rateLimitSeen'>;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** What docker-credential-helpers call the user of an identity token. */
const TOKEN_USER = '<token>';

/** One way to be known to an upstream: credentials or none, their tokens, and what is left of their rate limit. */
export class Account {
  /** undefined: anonymous. */
  readonly username: string | undefined;
  readonly budget: RateBudget;
  /** Sends a request of a repository with this account's login; a status that says "not now" is an error. */
  readonly send: Exchange;
  readonly #authorizer: Authorizer;
  readonly #now: () => number;

  constructor(credentials: UpstreamCredentials | undefined, options: AccountOptions) {
    const { guard, network, now, rateReserve, telemetry, upstream, url } = options;
    this.username = credentials && (credentials.type === 'basic' ? credentials.username : TOKEN_USER);
    this.budget = new RateBudget(rateReserve);
    this.#now = now;
    const account = this.label;
    const metered = metering(network, {
      upstream,
      url,
      budget: this.budget,
      onNumbers: ({ limit, remaining }) => telemetry.rateLimitSeen({ upstream, account, limit, remaining }),
      now,
    });
    const plain = followingRedirects(metered, guard, upstream);
    const tokens = new TokenClient(upstream, readingBodies(failingStatuses(plain, upstream), upstream));
    this.#authorizer = new Authorizer({ upstream, credentials, tokens, telemetry, now });
    const loggedIn = authenticating(plain, { upstream, url, authorizer: this.#authorizer, guard, now });
    this.send = readingBodies(failingStatuses(loggedIn, upstream), upstream);
  }

  /** For people and metrics. */
  get label(): string {
    return this.username ?? 'anonymous';
  }

  /** Were the credentials found wrong a moment ago? What can be had without them still is. */
  get isRefused(): boolean {
    return this.#authorizer.isShunned;
  }

  report(): AccountReport {
    const nowMs = this.#now();
    const numbers = this.budget.numbersAt(nowMs);
    return {
      username: this.username,
      limit: numbers?.limit,
      remaining: numbers?.remaining,
      blockedForMs: this.budget.blockedForMs(nowMs),
    };
  }
}
