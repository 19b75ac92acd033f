import type { UpstreamRequest } from './exchange.ts';

/** What a token is asked for. */
export type ScopeTarget = Pick<UpstreamRequest, 'access' | 'repository' | 'from'>;

/** distribution, docs/content/spec/auth/scope.md: a name may hold a port, and a type may have a class. */
const REPOSITORY_SCOPE = /^repository(?:\([^)]*\))?:(.+):([^:]*)$/;

/**
 * The scopes of a token, the repository's own first: some registries read no more than that.
 * @param named what the registry's challenge named for the same target, if it has come to that
 */
export function scopesFor(target: ScopeTarget, named: readonly string[]): readonly string[] {
  const { access, from, repository } = target;
  if (access === 'login' || repository === undefined) return [...new Set(named)];
  const isAboutRepository = named.some((scope) => scope.startsWith('repository'));
  // ECR Public names the scope `aws`, which says nothing of the repository.
  const usual = `repository:${repository}:${access === undefined ? 'pull' : 'pull,push'}`;
  if (access !== 'push') return [...new Set(isAboutRepository ? named : [usual, ...named])];
  // GHCR names `pull` whatever is asked of it.
  const own = named.find((scope) => allowsPush(scope, repository)) ?? usual;
  const others = named.filter((scope) => REPOSITORY_SCOPE.exec(scope)?.[1] !== repository);
  return [...new Set([own, ...others, ...(from === undefined ? [] : [`repository:${from}:pull`])])];
}

function allowsPush(scope: string, repository: string): boolean {
  const [, name, actions = ''] = REPOSITORY_SCOPE.exec(scope) ?? [];
  const all = actions.split(',');
  return name === repository && (all.includes('*') || (all.includes('push') && all.includes('pull')));
}
