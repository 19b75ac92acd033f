/** A repository as clients name it, and what is asked for (distribution, "Token Scope Documentation"). */
export type Scope =
  | { readonly kind: 'repository'; readonly path: string; readonly actions: ReadonlySet<ScopeAction> }
  | { readonly kind: 'catalog' };

/** Docker's words. */
export type ScopeAction = 'pull' | 'push' | 'delete';

/** What the catalog needs. */
export const CATALOG_SCOPE = 'registry:catalog:*';

const EVERY_ACTION: readonly ScopeAction[] = ['pull', 'push', 'delete'];
/** The name may hold colons: `repository:localhost:5000/app:pull`. The class of Docker's plugins means nothing here. */
const REPOSITORY = /^repository(?:\([a-z0-9]+\))?:(.+):([a-z,*]*)$/;

/** What a scope asks for; undefined for kinds that are not known here, which grant nothing. */
export function parseScope(text: string): Scope | undefined {
  if (text === CATALOG_SCOPE) return { kind: 'catalog' };
  const [, path, words] = REPOSITORY.exec(text) ?? [];
  if (path === undefined || words === undefined) return undefined;
  const asked = new Set(words.split(','));
  const actions = EVERY_ACTION.filter((action) => asked.has(action) || asked.has('*'));
  return { kind: 'repository', path, actions: new Set(actions) };
}
