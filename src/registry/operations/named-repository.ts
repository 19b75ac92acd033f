import { canonicalRegistry, type Repository } from '../../oci/repository.ts';
import { RegistryError } from '../registry-error.ts';
import type { Upstreams } from '../upstreams.ts';

const REGISTRY = /^(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9.-]+:\d+|\[[0-9a-fA-F:]+\](?::\d+)?)$/;

/**
 * The repository that an operator names, as in `docker pull`: `debian`, `ghcr.io/owner/app`. Undefined for what is no name.
 * @throws RegistryError NAME_UNKNOWN for what looks like a registry and is none of ours
 */
export function namedRepository(path: string, upstreams: Upstreams): Repository | undefined {
  const leading = leadingRegistry(path);
  if (leading !== undefined && !upstreams.has(leading)) {
    throw new RegistryError('NAME_UNKNOWN', `the registry "${leading}" is not mirrored here`);
  }
  return upstreams.resolve({ path, namespace: undefined });
}

/** What clients take for a registry: a first part with a dot or a port, or `localhost`. */
export function leadingRegistry(name: string): string | undefined {
  const slash = name.indexOf('/');
  const leading = slash > 0 ? name.slice(0, slash) : '';
  return REGISTRY.test(leading) ? canonicalRegistry(leading) : undefined;
}
