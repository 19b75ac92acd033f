import type { Policy } from './policy.ts';
import type { Action, Principal } from './principal.ts';
import { CATALOG_SCOPE, type Scope, type ScopeAction } from './scope.ts';
import type { Grant, TokenContent } from './tokens.ts';

/** A repository that a client's path means. */
export interface ResolvedRepository {
  /** In full. */
  readonly name: string;
  /** Clients push to it; otherwise it belongs to an upstream. */
  readonly isHosted: boolean;
}

/** Finds the repository that a path behind `/v2/` means, as requests do; undefined if it means none. */
export type ResolveRepository = (path: string) => ResolvedRepository | undefined;

/** What a token for these scopes says: the part of them that the policy allows to the principal, perhaps nothing. */
export function grantScopes(
  scopes: readonly Scope[],
  principal: Principal,
  by: { readonly policy: Policy; readonly resolve: ResolveRepository },
): TokenContent {
  const grants = new Map<string, Set<Action>>();
  for (const scope of scopes) {
    const repository = scope.kind === 'repository' ? by.resolve(scope.path) : undefined;
    if (scope.kind !== 'repository' || !repository) continue;
    const wanted = [...scope.actions].flatMap((action) => actionsFor(action, repository));
    const granted = wanted.filter((action) => by.policy.allows(principal, action, repository.name));
    if (granted.length === 0) continue;
    grants.set(repository.name, (grants.get(repository.name) ?? new Set()).union(new Set(granted)));
  }
  return {
    principal,
    grants: [...grants].map(([repository, actions]): Grant => ({ repository, actions: [...actions] })),
    mayList: scopes.some(({ kind }) => kind === 'catalog'),
  };
}

/**
 * What Docker's word means for a repository: to write to an upstream's is to replicate. To write to a hosted one may be
 * either; who comes by a token and replicates there asks for it in no other words.
 */
function actionsFor(action: ScopeAction, { isHosted }: ResolvedRepository): readonly Action[] {
  if (action === 'pull') return [action];
  return isHosted ? [action, 'replicate'] : ['replicate'];
}

/** The scopes that a token covers, in Docker's words and by the client's names. */
export function grantedScopes(
  scopes: readonly Scope[],
  { grants, mayList }: TokenContent,
  resolve: ResolveRepository,
): string[] {
  return scopes.flatMap((scope) => {
    if (scope.kind === 'catalog') return mayList ? [CATALOG_SCOPE] : [];
    const repository = resolve(scope.path);
    if (!repository) return [];
    const granted = grants.find((grant) => grant.repository === repository.name)?.actions ?? [];
    const words = [...scope.actions].filter((word) =>
      actionsFor(word, repository).some((action) => granted.includes(action)),
    );
    return words.length === 0 ? [] : [`repository:${scope.path}:${words.join(',')}`];
  });
}
