import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { callbackify } from 'node:util';
import { addressKind, type AddressKind } from './address-kind.ts';
import { ForbiddenAddressError } from './forbidden-address-error.ts';
import { UpstreamError } from './upstream-error.ts';

/** Asks the system for the addresses of a name. */
export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface AddressGuardOptions {
  readonly upstream: string;
  /** The upstream's own address: always allowed. */
  readonly url: URL;
  /** Lower case: `host` (any port), `host:port`, `*.example.com`. */
  readonly allowHosts: readonly string[];
  /** A proxy resolves names where we can't see it, so only addresses and `localhost` are judged. */
  readonly isProxied: boolean;
  readonly resolve?: ResolveHost;
}

/**
 * Keeps redirects and token realms away from addresses that only we can reach, such as a cloud's metadata server
 * (design.md, promise 8). What the upstream's own configuration names is trusted, with whatever address it has.
 */
export class AddressGuard {
  readonly #options: AddressGuardOptions;
  readonly #resolve: ResolveHost;
  readonly #allowed: readonly string[];
  /** Resolves a name of the upstream or of `allowHosts`: any address will do. */
  readonly lookupTrusted: LookupFunction;
  /** Resolves any other name at the moment of connecting, so that a name can't change its address after a check. */
  readonly lookup: LookupFunction;

  constructor(options: AddressGuardOptions) {
    this.#options = options;
    this.#resolve = options.resolve ?? resolveHost;
    this.#allowed = options.allowHosts.map((host) => host.toLowerCase());
    this.lookupTrusted = lookupBy(this.#resolve);
    this.lookup = lookupBy((hostname) => this.#allowedAddresses(hostname));
  }

  /**
   * May a request that came from `from` go on to `to`? A name's addresses are judged later, by {@link lookup}.
   * @throws UpstreamError `INVALID`
   */
  async check(from: URL, to: URL): Promise<void> {
    if (to.protocol !== 'https:' && to.protocol !== 'http:') throw this.#refusal(to, 'is neither http nor https');
    if (to.username !== '' || to.password !== '') throw this.#refusal(to, 'carries a user name');
    if (this.#isNamed(to)) return;
    if (from.protocol === 'https:' && to.protocol === 'http:') throw this.#refusal(to, 'leaves https');
    if (this.trusts(to)) return;
    const kind = kindOfLiteral(to.hostname) ?? (this.#options.isProxied ? kindOfLocalName(to.hostname) : undefined);
    if (kind && !(await this.#mayReach(kind))) {
      throw this.#refusal(to, 'has a private address; allowHosts of this upstream can permit it');
    }
  }

  /** Is this the upstream itself, or a host that `allowHosts` names? */
  trusts(url: URL): boolean {
    return url.host === this.#options.url.host || this.#isNamed(url);
  }

  async #allowedAddresses(hostname: string): Promise<readonly LookupAddress[]> {
    const addresses = await this.#resolve(hostname);
    const verdicts = await Promise.all(addresses.map(({ address }) => this.#mayReach(addressKind(address))));
    const allowed = addresses.filter((_, position) => verdicts[position]);
    if (addresses.length > 0 && allowed.length === 0) throw new ForbiddenAddressError(hostname);
    return allowed;
  }

  async #mayReach(kind: AddressKind): Promise<boolean> {
    if (kind === 'public') return true;
    const own = await this.#ownKinds();
    // A registry inside a network has its storage inside; the link-local metadata server is nobody's storage.
    return kind === 'loopback' || kind === 'private' ? own.has('loopback') || own.has('private') : own.has(kind);
  }

  async #ownKinds(): Promise<ReadonlySet<AddressKind>> {
    const { hostname } = this.#options.url;
    const literal = kindOfLiteral(hostname);
    if (literal) return new Set([literal]);
    try {
      const addresses = await this.#resolve(hostname);
      return new Set(addresses.map(({ address }) => addressKind(address)));
    } catch {
      return new Set();
    }
  }

  #isNamed({ host, hostname, port, protocol }: URL): boolean {
    const defaultPort = protocol === 'https:' ? 443 : 80;
    const names = new Set([hostname, host, `${hostname}:${port || defaultPort}`]);
    return this.#allowed.some((pattern) =>
      pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : names.has(pattern),
    );
  }

  #refusal(to: URL, why: string): UpstreamError {
    return new UpstreamError('INVALID', this.#options.upstream, `sent us to ${to.host || to.protocol}, which ${why}`);
  }
}

function kindOfLiteral(hostname: string): AddressKind | undefined {
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? undefined : addressKind(hostname);
}

function kindOfLocalName(hostname: string): AddressKind | undefined {
  return /(^|\.)localhost\.?$/.test(hostname) ? 'loopback' : undefined;
}

function resolveHost(hostname: string): Promise<LookupAddress[]> {
  return lookup(hostname, { all: true });
}

/** A resolver in the shape that sockets want. */
function lookupBy(resolve: ResolveHost): LookupFunction {
  const resolveThen = callbackify(resolve);
  return (hostname, { all }, callback) => {
    resolveThen(hostname, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error) callback(error, []);
      else if (all) callback(null, [...addresses]);
      else if (first) callback(null, first.address, first.family);
      else callback(Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' }), []);
    });
  };
}
