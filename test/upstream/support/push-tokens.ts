import { randomBytes } from 'node:crypto';

/** How the registry wants people to log in. */
export interface PushAuth {
  readonly type: 'bearer' | 'basic';
  /** Password by user. */
  readonly users: Readonly<Record<string, string>>;
  /** What a user may do in a repository: actions such as `push`, default everything. */
  readonly allowed?: (user: string, repository: string) => readonly string[];
  /** Who has no name gets a token too, with which nothing may be pushed. */
  readonly hasGuests?: boolean;
  /** Default 300. */
  readonly expiresInSeconds?: number;
}

interface Token {
  /** Actions by repository. */
  readonly grants: ReadonlyMap<string, readonly string[]>;
}

const GUEST = 'guest';
const ALL = ['pull', 'push', 'delete'] as const;

/** Users, and tokens bound to scopes with actions (distribution, docs/content/spec/auth/token.md). */
export class PushTokens {
  readonly #auth: PushAuth;
  readonly #tokens = new Map<string, Token>();
  /** What tokens were asked for, one entry for each request. */
  readonly asked: string[][] = [];

  constructor(auth: PushAuth) {
    this.#auth = auth;
  }

  /** Makes all tokens invalid that were given out. */
  expire(): void {
    this.#tokens.clear();
  }

  /** The answer of the token server; undefined: the login is wrong. */
  issue(query: URLSearchParams, authorization: string | undefined): object | undefined {
    const user = authorization === undefined && this.#auth.hasGuests ? GUEST : this.#userOf(authorization);
    if (user === undefined) return undefined;
    const scopes = query.getAll('scope').flatMap((scope) => scope.split(' '));
    this.asked.push(scopes);
    const grants = new Map<string, readonly string[]>();
    for (const scope of scopes) {
      const [, repository, actions] = /^repository:(.+):([^:]*)$/.exec(scope) ?? [];
      if (repository === undefined || actions === undefined) continue;
      const allowed = user === GUEST ? ['pull'] : (this.#auth.allowed?.(user, repository) ?? ALL);
      const granted = actions.split(',').filter((action) => allowed.includes(action));
      grants.set(repository, [...(grants.get(repository) ?? []), ...granted]);
    }
    const token = randomBytes(16).toString('base64url');
    this.#tokens.set(token, { grants });
    return { token, expires_in: this.#auth.expiresInSeconds ?? 300 };
  }

  /** The challenge for who may not do that; undefined: they may. @param repository undefined: being known is enough */
  challenge(
    authorization: string | undefined,
    { realm, repository, action }: { realm: string; repository: string | undefined; action: string },
  ): string | undefined {
    if (this.#auth.type === 'basic')
      return this.#userOf(authorization) === undefined ? 'Basic realm="push"' : undefined;
    const token = this.#tokens.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
    const wanted = action === 'push' ? ['pull', 'push'] : [action];
    if (token && repository === undefined) return undefined;
    if (token && wanted.every((each) => token.grants.get(repository ?? '')?.includes(each))) return undefined;
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:${wanted.join(',')}"`;
    const error = token ? ',error="insufficient_scope"' : '';
    return `Bearer realm="${realm}",service="push"${scope}${error}`;
  }

  /** May the token pull from there, for a mount? */
  mayPull(authorization: string | undefined, repository: string): boolean {
    if (this.#auth.type === 'basic') return true;
    const token = this.#tokens.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
    return token?.grants.get(repository)?.includes('pull') ?? false;
  }

  #userOf(authorization: string | undefined): string | undefined {
    const encoded = /^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? '';
    const [user = '', ...password] = Buffer.from(encoded, 'base64').toString().split(':');
    return this.#auth.users[user] === password.join(':') ? user : undefined;
  }
}
