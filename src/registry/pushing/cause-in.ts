import type { Cause } from '../../metadata/event-index.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Upstreams } from '../upstreams.ts';

/** Who causes a change of this repository: one that belongs to an upstream has its tags from there at every site. */
export function causeIn(upstreams: Upstreams, repository: Repository, cause: Cause): Cause {
  if (!cause.origin || upstreams.isHosted(repository)) return cause;
  return { ...cause, origin: { ...cause.origin, isShared: true } };
}
