import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Secret } from '../util/secret.ts';
import { Account } from './account.ts';
import { Accounts } from './accounts.ts';
import type { ResolveHost } from './address-guard.ts';
import { breaking } from './breaking.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import type { UpstreamCredentials } from './credentials.ts';
import type { UpstreamTimeouts } from './dispatcher.ts';
import { sendByNetwork } from './network.ts';
import { observing } from './observe.ts';
import { openLine } from './open-line.ts';
import type { ReceiveMemory } from './receive-memory.ts';
import { RegistryClient } from './registry-client.ts';
import { retrying } from './retries.ts';
import { sparingHosts } from './sparing-hosts.ts';
import type { Upstream } from './upstream.ts';

export interface UpstreamOptions {
  /** The configured name, such as `docker.io`. */
  readonly name: string;
  /** Where the registry is, such as `https://registry-1.docker.io`; the API is at `v2/` below it. */
  readonly url: URL;
  /** Each is an account with a rate limit of its own; together they share the load. None: anonymous. */
  readonly credentials: readonly UpstreamCredentials[];
  /** The part of each account's rate limit that is kept for misses, 0 to 1; 0: nothing. */
  readonly rateReserve: number;
  /** How many blobs may be under way at the same time. */
  readonly maxConnections: number;
  /** URL of an HTTP(S) proxy; it may hold a user and a password. */
  readonly proxy?: Secret;
  /** PEM: certificates to trust beside the usual ones. */
  readonly ca?: string;
  /** Hosts that redirects and token realms may lead to whatever their address: `host`, `host:port`, `*.example.com`. */
  readonly allowHosts: readonly string[];
  readonly timeouts: UpstreamTimeouts;
  /** How often a failed request is tried again. */
  readonly retries: number;
  /** When it is held back after failures, if not as usual. */
  readonly breaker?: BreakerLimits;
  readonly manifestLimitBytes: number;
  readonly userAgent: string;
  /** What its connections receive into, shared with others; default: memory of its own. */
  readonly memory?: ReceiveMemory;
}

/** What tests put in the place of the machine. */
export interface UpstreamOverrides {
  readonly resolve?: ResolveHost;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/**
 * A registry to pull through. Its requests go down a stack of exchanges, each with one concern: circuit breaker, retries,
 * choice of an account; then that account's short bodies, failing statuses, login, redirects and rate budget; and for all
 * of them hosts that want to be left alone, telemetry and network.
 */
export function createUpstream(
  options: UpstreamOptions,
  telemetry: Telemetry,
  overrides: UpstreamOverrides = {},
): Upstream {
  const { credentials, name: upstream, rateReserve, retries, userAgent } = options;
  const { now = () => performance.now() } = overrides;
  const { url, guard, dispatcher, memory } = openLine(options, overrides);

  const sent = sendByNetwork(dispatcher, { upstream, userAgent, timeouts: options.timeouts });
  const observed = observing(sent, (request) => telemetry.upstreamAnswered({ upstream, ...request }));
  const network = sparingHosts(observed, { upstream, url, now });
  const parts = { upstream, url, guard, network, rateReserve, telemetry, now };
  const users = credentials.length === 0 ? [undefined] : credentials;
  const accounts = new Accounts(
    users.map((user) => new Account(user, parts)),
    { upstream, telemetry, now },
  );
  const breaker = new CircuitBreaker({
    now,
    onMove: (open) => telemetry.breakerMoved({ upstream, open }),
    ...(options.breaker && { limits: options.breaker }),
  });
  const byAccount = retrying((request) => accounts.send(request), { upstream, retries });
  const send = breaking(byAccount, breaker, upstream);

  return new RegistryClient(
    { upstream, base: url, send },
    {
      accounts,
      breaker,
      maxConnections: options.maxConnections,
      manifestLimitBytes: options.manifestLimitBytes,
      telemetry,
      now,
      recycle: (bytes) => memory.release(bytes),
      close: () => {
        accounts[Symbol.dispose]();
        return dispatcher.destroy();
      },
    },
  );
}
