import type { DistributionRequest } from './distribution-path.ts';
import type { OneOf } from './door.ts';

/** A request for something in a repository. */
export interface RepositoryRequest {
  readonly kind: Extract<DistributionRequest, { readonly address: unknown }>['kind'];
  readonly method: string | undefined;
  /** Clients push to the repository; otherwise it belongs to an upstream. */
  readonly isHosted: boolean;
  /** It says that it repeats a change of another site. */
  readonly isReplicated: boolean;
  readonly isAnonymous: boolean;
}

/**
 * What a client must be allowed to do. Nobody pushes what belongs to an upstream, but replicas of it may be brought from
 * elsewhere.
 * @returns undefined: nobody may do it without a login, whatever is allowed to everyone
 */
export function chooseActions(request: RepositoryRequest): OneOf | undefined {
  const { kind, method, isHosted, isReplicated, isAnonymous } = request;
  const isUpload = kind === 'upload';
  if (!isUpload && (method === 'GET' || method === 'HEAD')) return ['pull'];
  if (kind === 'manifest' && isReplicated) return isAnonymous ? undefined : ['replicate'];
  if (!isHosted) return ['replicate'];
  if (!isUpload) return [method === 'DELETE' ? 'delete' : 'push'];
  // Only the manifest that comes after a blob tells whether that is a replica.
  return isAnonymous ? ['push'] : ['push', 'replicate'];
}
