import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { type Answer, type Exchange, errorAnswer, jsonAnswer } from './origin-exchange.ts';
import type { BearerAuthOptions } from './origin-options.ts';

/** What a token is good for. */
type TokenCheck = 'ok' | 'invalid_token' | 'insufficient_scope';

interface Token {
  readonly repositories: ReadonlySet<string>;
  readonly expiresAt: number;
}

interface TokenRequest {
  username: string | undefined;
  scopes: string[];
  offline: boolean;
}

/** The origin's token server (distribution docs, "token authentication"): opaque tokens, bound to scopes. */
export class TokenServer {
  readonly #options: BearerAuthOptions;
  readonly #tokens = new Map<string, Token>();
  readonly #refreshTokens = new Map<string, string>();

  constructor(options: BearerAuthOptions) {
    this.#options = options;
  }

  /** Whether a token lets its bearer pull from a repository (default: is valid at all). */
  check(token: string, repository?: string): TokenCheck {
    const known = this.#tokens.get(token);
    if (known === undefined || known.expiresAt <= Date.now()) return 'invalid_token';
    return repository === undefined || known.repositories.has(repository) ? 'ok' : 'insufficient_scope';
  }

  /** Makes all tokens that were given out invalid; refresh tokens stay good. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  async answer(exchange: Exchange): Promise<Answer> {
    const method = this.#options.method ?? 'get';
    if (exchange.record.method === 'GET' && method !== 'post') return this.#answerGet(exchange);
    if (exchange.record.method === 'POST' && method !== 'get') return this.#answerPost(exchange);
    return errorAnswer(404, 'UNSUPPORTED');
  }

  #answerGet({ record, query }: Exchange): Answer {
    const login = readBasic(record.headers.authorization);
    if (login !== undefined && !hasCredentials(this.#options.credentials, login)) {
      return errorAnswer(401, 'UNAUTHORIZED');
    }
    const scopes = query.getAll('scope').flatMap((scope) => scope.split(' '));
    const offline = query.get('offline_token') === 'true';
    return this.#grant({ username: login?.username, scopes, offline }, this.#options.tokenField ?? 'token');
  }

  async #answerPost({ request }: Exchange): Promise<Answer> {
    const form = new URLSearchParams(await text(request));
    if (!form.has('client_id') || !form.has('service')) return errorAnswer(400, 'UNSUPPORTED');
    const username = this.#usernameOf(form);
    if (username === undefined) return errorAnswer(401, 'UNAUTHORIZED');
    const scopes = (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
    return this.#grant({ username, scopes, offline: form.get('access_type') === 'offline' }, 'access_token');
  }

  #usernameOf(form: URLSearchParams): string | undefined {
    if (form.get('grant_type') === 'refresh_token') return this.#refreshTokens.get(form.get('refresh_token') ?? '');
    const login = { username: form.get('username') ?? '', password: form.get('password') ?? '' };
    return hasCredentials(this.#options.credentials, login) ? login.username : undefined;
  }

  #grant({ username, scopes, offline }: TokenRequest, field: string): Answer {
    const repositories = scopes.flatMap((scope) => {
      const [, name, actions] = /^repository:(.+):([^:]*)$/.exec(scope) ?? [];
      return name !== undefined && /pull|\*/.test(actions ?? '') ? [name] : [];
    });
    const granted = repositories.filter((repository) => this.#mayPull(username, repository));
    const { denied = 'empty', expiresIn = 300, tellExpiresIn = true } = this.#options;
    if (denied !== 'empty' && granted.length < repositories.length) return errorAnswer(denied, 'DENIED');
    const token = randomBytes(24).toString('base64url');
    this.#tokens.set(token, { repositories: new Set(granted), expiresAt: Date.now() + expiresIn * 1000 });
    const answer: Record<string, string | number> = { [field]: token };
    if (tellExpiresIn) answer['expires_in'] = expiresIn;
    if (offline && username !== undefined) {
      const refreshToken = randomBytes(24).toString('base64url');
      this.#refreshTokens.set(refreshToken, username);
      answer['refresh_token'] = refreshToken;
    }
    return jsonAnswer(answer);
  }

  #mayPull(username: string | undefined, repository: string): boolean {
    const { allowed, anonymous, credentials } = this.#options;
    if (username !== undefined) return allowed?.(username, repository) ?? true;
    return typeof anonymous === 'function' ? anonymous(repository) : (anonymous ?? credentials === undefined);
  }
}

/** Username and password of a Basic Authorization. */
export function readBasic(authorization: string | undefined): { username: string; password: string } | undefined {
  const [, encoded] = /^Basic (.+)$/i.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [username = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
  return { username, password: rest.join(':') };
}

/** Whether username and password are among those known. */
export function hasCredentials(
  known: Record<string, string> | undefined,
  { username, password }: { username: string; password: string },
): boolean {
  return known !== undefined && Object.hasOwn(known, username) && known[username] === password;
}
