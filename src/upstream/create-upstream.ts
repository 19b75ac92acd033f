import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Secret } from '../util/secret.ts';
import { AddressGuard, type ResolveHost } from './address-guard.ts';
import { authenticating } from './authenticating.ts';
import { Authorizer } from './authorizer.ts';
import { breaking } from './breaking.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import type { UpstreamCredentials } from './credentials.ts';
import { createDispatcher, type UpstreamTimeouts } from './dispatcher.ts';
import { failingStatuses } from './failing-statuses.ts';
import { sendByNetwork } from './network.ts';
import { observing } from './observe.ts';
import { readingBodies } from './read-body.ts';
import { followingRedirects } from './redirects.ts';
import { RegistryClient } from './registry-client.ts';
import { retrying } from './retries.ts';
import { TokenClient } from './token-client.ts';
import type { Upstream } from './upstream.ts';

export interface UpstreamOptions {
  /** The configured name, such as `docker.io`. */
  readonly name: string;
  /** Where the registry is, such as `https://registry-1.docker.io`; the API is at `v2/` below it. */
  readonly url: URL;
  readonly credentials?: UpstreamCredentials;
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
  readonly manifestLimitBytes: number;
  readonly userAgent: string;
}

/** What tests put in the place of the machine. */
export interface UpstreamOverrides {
  readonly resolve?: ResolveHost;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/**
 * A registry to pull through. Its requests go down a stack of exchanges, each with one concern:
 * circuit breaker, retries, short bodies, failing statuses, login, redirects, telemetry, network.
 */
export function createUpstream(
  options: UpstreamOptions,
  telemetry: Telemetry,
  { resolve, now = () => performance.now() }: UpstreamOverrides = {},
): Upstream {
  const { credentials, name: upstream, retries, userAgent } = options;
  const base = new URL(options.url.href.replace(/\/*$/, '/'));
  const guard = new AddressGuard({
    upstream,
    url: base,
    allowHosts: options.allowHosts,
    isProxied: options.proxy !== undefined,
    ...(resolve && { resolve }),
  });
  const dispatcher = createDispatcher(options, guard);

  const network = observing(sendByNetwork(dispatcher, { upstream, userAgent }), upstream, telemetry);
  const plain = followingRedirects(network, guard, upstream);
  const tokens = new TokenClient(upstream, readingBodies(failingStatuses(plain, upstream), upstream));
  const authorizer = new Authorizer({ upstream, credentials, tokens, telemetry, now });
  const loggedIn = authenticating(plain, { upstream, url: base, authorizer, guard, now });
  const whole = readingBodies(failingStatuses(loggedIn, upstream), upstream);
  const breaker = new CircuitBreaker({ now, onMove: (open) => telemetry.breakerMoved({ upstream, open }) });
  const send = breaking(retrying(whole, { upstream, retries }), breaker, upstream);

  return new RegistryClient(
    { upstream, base, send },
    {
      maxConnections: options.maxConnections,
      manifestLimitBytes: options.manifestLimitBytes,
      telemetry,
      now,
      close: () => dispatcher.destroy(),
    },
  );
}
