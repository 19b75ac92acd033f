/**
 * What can be done to a repository. `replicate` is every kind of write to one that belongs to an upstream, and every
 * write to any that repeats what was done at another site.
 */
export type Action = 'pull' | 'push' | 'delete' | 'replicate';

/** Who asks. */
export interface Principal {
  readonly name: string;
  readonly isAnonymous: boolean;
}

/** Whoever did not say who they are. */
export const ANONYMOUS: Principal = { name: 'anonymous', isAnonymous: true };
