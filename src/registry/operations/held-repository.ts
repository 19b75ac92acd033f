import type { UpkeepIndex } from '../../metadata/metadata-index.ts';
import { isRepositoryPath } from '../../oci/repository.ts';
import type { Upstreams } from '../upstreams.ts';
import { namedRepository } from './named-repository.ts';
import { OperationError } from './operation-error.ts';

/** Where content may be held. */
export interface Holdings {
  readonly index: Pick<UpkeepIndex, 'summarize'>;
  readonly upstreams: Upstreams;
}

/**
 * The name in full of the repository that an operator names for what is stored of it: as it is listed, else as in
 * `docker pull`. Content outlives its upstream's place in the configuration, and still has to be seen and removed.
 * Undefined for what is no name. @throws RegistryError NAME_UNKNOWN
 */
export async function heldRepository(path: string, { index, upstreams }: Holdings): Promise<string | undefined> {
  if (isHeldName(path)) {
    // A name comes before all others that begin with it.
    const [first] = await index.summarize({ prefix: path, limit: 1 });
    if (first?.repository === path) return path;
  }
  return namedRepository(path, upstreams)?.name;
}

/** The same. @throws OperationError INVALID, RegistryError NAME_UNKNOWN */
export async function requireHeldRepository(path: string, holdings: Holdings): Promise<string> {
  const repository = await heldRepository(path, holdings);
  if (repository === undefined) {
    throw new OperationError('INVALID', `"${path}" is no repository; write for example library/debian`);
  }
  return repository;
}

/** Is anything stored of this registry, which is no upstream any more? */
export async function holdsOf(registry: string, { index }: Pick<Holdings, 'index'>): Promise<boolean> {
  return (await index.summarize({ prefix: `${registry}/`, limit: 1 })).length > 0;
}

function isHeldName(path: string): boolean {
  const slash = path.indexOf('/');
  return slash > 0 && isRepositoryPath(path.slice(slash + 1));
}
