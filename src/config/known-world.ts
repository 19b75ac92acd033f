import { canonicalRegistry } from '../oci/repository.ts';
import type { UpstreamConfig } from './config.ts';

/** The registries and hosted namespaces that names can lead to. */
export interface KnownWorld {
  readonly upstreams: readonly Pick<UpstreamConfig, 'name' | 'isDefault'>[];
  readonly hosted: readonly string[];
}

/** Where a name leads. Undefined without one: there is no default upstream that it could be at. */
export interface Place {
  readonly registry: string | undefined;
  readonly isHosted: boolean;
  /** Does the name begin with it? */
  readonly isNamed: boolean;
}

/** The registry of a name or a pattern of repositories, as pulls find it: what begins with none is at the default upstream. */
export function placeOf(repository: string, { upstreams, hosted }: KnownWorld): Place {
  const first = repository.slice(0, Math.max(0, repository.indexOf('/')));
  const registry = canonicalRegistry(first);
  if (upstreams.some(({ name }) => name === registry)) return { registry, isHosted: false, isNamed: true };
  if (hosted.includes(first)) return { registry: first, isHosted: true, isNamed: true };
  const home = upstreams.find(({ isDefault }) => isDefault);
  return { registry: home?.name, isHosted: false, isNamed: false };
}
