import {
  canonicalPath,
  canonicalRegistry,
  isRepositoryPath,
  makeRepository,
  type Repository,
} from '../oci/repository.ts';
import { SiblingFirst } from '../upstream/sibling-first.ts';
import type { SiblingSource } from '../upstream/sibling-source.ts';
import type { Siblings } from '../upstream/siblings.ts';
import type { BlobSource, Upstream } from '../upstream/upstream.ts';
import type { HostedSources } from './hosted-sources.ts';
import { offlineUpstream } from './offline-upstream.ts';
import { RegistryError } from './registry-error.ts';
import type { UpstreamRules } from './rules.ts';

/** An upstream and the rules for what is cached of it. */
export class UpstreamSite {
  readonly rules: UpstreamRules;
  readonly #online: Upstream;
  readonly #offline: Upstream;
  /** Nothing is asked of it, and whatever is cached is served however old it is. Its siblings may be asked still. */
  isOffline: boolean;

  /** @param siblings other sites that are asked beside it */
  constructor(upstream: Upstream, rules: UpstreamRules, isOffline: boolean, siblings?: Siblings) {
    const offline = offlineUpstream(upstream);
    this.rules = rules;
    this.#online = siblings ? new SiblingFirst(upstream, siblings) : upstream;
    this.#offline = siblings ? new SiblingFirst(offline, siblings) : offline;
    this.isOffline = isOffline;
  }

  get upstream(): Upstream {
    return this.isOffline ? this.#offline : this.#online;
  }
}

/** Where content that is not here may be had. */
export type ContentSource = BlobSource & Pick<Upstream, 'mayAsk'>;

/** How a request names a repository. */
export interface Address {
  /** The path between `/v2/` and the end-point. */
  readonly path: string;
  /** `?ns=`, or a registry's name that stood before `/v2/`. */
  readonly namespace: string | undefined;
}

/** The upstreams by name, and the namespaces that are pushed here: the closed world that requests can reach. */
export class Upstreams implements AsyncDisposable {
  readonly #sites: ReadonlyMap<string, UpstreamSite>;
  readonly #defaultName: string | undefined;
  readonly #hosted: ReadonlySet<string>;
  readonly #hostedSources: HostedSources | undefined;

  /** @param hosted namespaces of repositories that have no upstream @param hostedSources who else may have their content */
  constructor(
    sites: Iterable<UpstreamSite>,
    defaultName: string | undefined,
    hosted: readonly string[] = [],
    hostedSources?: HostedSources,
  ) {
    this.#sites = new Map([...sites].map((site) => [site.upstream.name, site]));
    this.#defaultName = defaultName;
    this.#hosted = new Set(hosted);
    this.#hostedSources = hostedSources;
  }

  /** @throws RegistryError NAME_UNKNOWN for a registry that is not configured */
  get(registry: string): UpstreamSite {
    const site = this.#sites.get(registry);
    if (!site) throw new RegistryError('NAME_UNKNOWN', `the registry "${registry}" is not mirrored here`);
    return site;
  }

  /** Where names without a registry are looked up. */
  get defaultName(): string | undefined {
    return this.#defaultName;
  }

  get all(): readonly UpstreamSite[] {
    return [...this.#sites.values()];
  }

  /** @throws RegistryError DENIED for a repository that may not be pulled, NAME_UNKNOWN */
  check(repository: Repository): void {
    if (this.isHosted(repository)) return;
    const refusal = this.get(repository.registry).rules.refusal(repository);
    if (refusal !== undefined) throw new RegistryError('DENIED', refusal);
  }

  /** Is it pushed here, so that no upstream has it? */
  isHosted({ registry }: Pick<Repository, 'registry'>): boolean {
    return this.#hosted.has(registry);
  }

  /** The other sites that may have what is pushed to it; undefined if it is not hosted, or there are none. */
  siblingsOf(repository: Repository): SiblingSource | undefined {
    return this.isHosted(repository) ? this.#hostedSources?.of(repository) : undefined;
  }

  /**
   * Who may have what is not here; undefined: nobody.
   * @throws RegistryError NAME_UNKNOWN
   */
  sourceOf(repository: Repository): ContentSource | undefined {
    return this.isHosted(repository) ? this.siblingsOf(repository) : this.get(repository.registry).upstream;
  }

  /** Is this the name of a configured registry? */
  has(name: string): boolean {
    return this.#sites.has(canonicalRegistry(name));
  }

  /** The name that a configured registry has here. @throws RegistryError NAME_UNKNOWN */
  canonicalName(registry: string): string {
    return this.get(canonicalRegistry(registry)).upstream.name;
  }

  /**
   * Which repository a request means: by namespace, else by a registry's name that leads the path, else by a hosted
   * namespace that leads it, else at the default upstream. Undefined when the rest of the path is no repository name.
   * @throws RegistryError NAME_UNKNOWN for a namespace that is not configured
   */
  resolve(address: Address): Repository | undefined {
    const slash = address.path.indexOf('/');
    const leading = slash > 0 ? address.path.slice(0, slash) : undefined;
    const namespace = address.namespace === undefined ? undefined : canonicalRegistry(address.namespace);
    if (namespace !== undefined) {
      this.get(namespace);
      const isRepeated = leading !== undefined && canonicalRegistry(leading) === namespace;
      return repositoryAt(namespace, isRepeated ? address.path.slice(slash + 1) : address.path);
    }
    if (leading !== undefined && this.has(leading)) {
      return repositoryAt(canonicalRegistry(leading), address.path.slice(slash + 1));
    }
    if (!isRepositoryPath(address.path)) return undefined;
    if (leading !== undefined && this.#hosted.has(leading)) {
      return makeRepository(leading, address.path.slice(slash + 1));
    }
    if (this.#defaultName === undefined) {
      throw new RegistryError('NAME_UNKNOWN', `"${address.path}" names no registry that is mirrored here`);
    }
    return repositoryAt(this.#defaultName, address.path);
  }

  /** The repository of a name in full, such as the index has it; undefined if it has no upstream here. */
  repositoryNamed(name: string): Repository | undefined {
    const slash = name.indexOf('/');
    const [registry, path] = [name.slice(0, slash), name.slice(slash + 1)];
    return slash > 0 && this.#sites.has(registry) && isRepositoryPath(path)
      ? makeRepository(registry, path)
      : undefined;
  }

  /** The repository of a name in full, if somebody may have what is not here of it. */
  sourcedRepository(name: string): Repository | undefined {
    const proxied = this.repositoryNamed(name);
    const slash = name.indexOf('/');
    const [registry, path] = [name.slice(0, slash), name.slice(slash + 1)];
    if (proxied || slash <= 0 || !this.isHosted({ registry }) || !isRepositoryPath(path)) return proxied;
    const hosted = makeRepository(registry, path);
    return this.siblingsOf(hosted) && hosted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sites.values()].map((site) => site.upstream[Symbol.asyncDispose]()));
  }
}

function repositoryAt(registry: string, path: string): Repository | undefined {
  return isRepositoryPath(path) ? makeRepository(registry, canonicalPath(registry, path)) : undefined;
}
