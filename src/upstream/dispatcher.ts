import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { Secret } from '../util/secret.ts';
import type { AddressGuard } from './address-guard.ts';
import type { ReceiveMemory } from './receive-memory.ts';

export interface DispatcherOptions {
  /** URL of an HTTP(S) proxy, with user and password in it if it wants any. */
  readonly proxy?: Secret;
  /** PEM; trusted beside the certificates that Node trusts anyway. */
  readonly ca?: string;
  readonly timeouts: UpstreamTimeouts;
}

export interface UpstreamTimeouts {
  /** DNS, TCP and TLS together. */
  readonly connectMs: number;
  /** From the request to the answer's headers. */
  readonly headersMs: number;
  /** Between two pieces of a body that we are ready to take. */
  readonly stallMs: number;
}

/** Signed URLs in a Location grow to several KiB; Node's default of 16 KiB for all headers has been too small. */
const MAX_HEADER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 15_000;

/**
 * The connections of one upstream: HTTP/1.1, as many as are asked for at the same time.
 * @param memory what they receive into; those through a proxy have their own
 */
export function createDispatcher(options: DispatcherOptions, guard: AddressGuard, memory: ReceiveMemory): Dispatcher {
  const { connectMs, headersMs, stallMs } = options.timeouts;
  const limits = {
    headersTimeout: headersMs,
    bodyTimeout: stallMs,
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    allowH2: false,
  };
  const tls = options.ca === undefined ? {} : { secureContext: trusting(options.ca) };
  if (!options.proxy)
    return new Agent({
      ...limits,
      connect: guardedConnector(guard, { ...tls, timeout: connectMs, onread: memory.onread }),
    });
  return new ProxyAgent({
    ...limits,
    uri: options.proxy.reveal(),
    connectTimeout: connectMs,
    requestTls: tls,
    proxyTls: tls,
    // Without the limits a proxy that takes CONNECT and falls silent would hold a request for five minutes.
    clientFactory: (origin, connection) => new Pool(origin, { ...connection, ...limits }),
  });
}

function guardedConnector(guard: AddressGuard, options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = (lookup: AddressGuard['lookup']) => buildConnector({ ...options, allowH2: false, lookup });
  const trusted = connect(guard.lookupTrusted);
  const others = connect(guard.lookup);
  return (target, callback) => {
    const { protocol, hostname, port } = target;
    const host = hostname.includes(':') ? `[${hostname}]` : hostname;
    const url = new URL(`${protocol}//${host}:${port}`);
    (guard.trusts(url) ? trusted : others)(target, callback);
  };
}

function trusting(ca: string): SecureContext {
  // Node's `ca` option replaces the built-in list, but a private registry's redirects may lead to a public storage.
  return createSecureContext({ ca: [...getCACertificates('default'), ca] });
}
