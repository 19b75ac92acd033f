import type { ResolvedRepository } from '../access/grants.ts';
import { RegistryError } from '../registry/registry-error.ts';
import type { Upstreams } from '../registry/upstreams.ts';
import type { PathAddress } from './distribution-path.ts';

/** Finds the repository that an address means; undefined if it means none. */
export type ResolveAddress = (address: PathAddress) => ResolvedRepository | undefined;

/** Finds them as requests do. */
export function addressResolver(upstreams: Pick<Upstreams, 'resolve' | 'isHosted'>): ResolveAddress {
  return (address) => {
    const repository = resolved(upstreams, address);
    return repository && { name: repository.name, isHosted: upstreams.isHosted(repository) };
  };
}

function resolved(upstreams: Pick<Upstreams, 'resolve'>, address: PathAddress): ReturnType<Upstreams['resolve']> {
  try {
    return upstreams.resolve(address);
  } catch (error) {
    // Who may not even ask need not be told which registries there are.
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
