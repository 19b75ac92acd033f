import { LRUCache } from 'lru-cache';
import type { AddressGuard } from './address-guard.ts';
import type { Authorization, Authorizer, LoginMethod } from './authorizer.ts';
import { parseChallenges, scopesOf } from './challenge.ts';
import type { Exchange, UpstreamRequest, UpstreamResponse } from './exchange.ts';
import type { Identity } from './credentials.ts';
import { readStart } from './read-body.ts';
import { UpstreamError } from './upstream-error.ts';

export interface AuthenticationOptions {
  readonly upstream: string;
  /** The registry's base; credentials and tokens go to this scheme, host and port only. */
  readonly url: URL;
  readonly authorizer: Authorizer;
  readonly guard: AddressGuard;
  /** The clock of the authorizer. */
  readonly now: () => number;
}

/** A request of a repository that was refused, and what came of it. */
interface Refusal {
  readonly request: UpstreamRequest;
  readonly repository: string;
  readonly response: UpstreamResponse;
  /** What was sent with it. */
  readonly sent: Authorization | undefined;
  readonly startedAt: number;
}

const MAX_REPOSITORIES = 1000;
const ERROR_PAGE_BYTES = 8 * 1024;

/** Logs in where the registry asks for it, and ahead of time once it has asked. */
export function authenticating(next: Exchange, options: AuthenticationOptions): Exchange {
  const authentication = new Authentication(next, options);
  return (request) => {
    const { repository, url } = request;
    if (repository === undefined || url.origin !== options.url.origin) return next(request);
    return authentication.send(request, repository);
  };
}

class Authentication {
  readonly #next: Exchange;
  readonly #options: AuthenticationOptions;
  /** Scopes that the registry named for a repository, where they are not the usual one. */
  readonly #scopes = new LRUCache<string, readonly string[]>({ max: MAX_REPOSITORIES });
  /** From a 401 to a request without Authorization: nvcr.io names another realm when a token has run out. */
  #method: LoginMethod | undefined;

  constructor(next: Exchange, options: AuthenticationOptions) {
    this.#next = next;
    this.#options = options;
  }

  async send(request: UpstreamRequest, repository: string): Promise<UpstreamResponse> {
    const startedAt = this.#options.now();
    const sent = await this.#authorizeAhead(repository);
    const response = await this.#next(withAuthorization(request, sent));
    if (this.#isRefusal(response, sent, startedAt)) {
      return this.#negotiate({ request, repository, response, sent, startedAt });
    }
    if (sent) this.#options.authorizer.accepted(sent);
    return response;
  }

  async #authorizeAhead(repository: string): Promise<Authorization | undefined> {
    const { authorizer } = this.#options;
    if (!this.#method) return undefined;
    const access = { repository, scopes: this.#scopesFor(repository) };
    const authorization = await authorizer.authorize('configured', this.#method, access);
    return authorization ?? authorizer.authorize('anonymous', this.#method, access);
  }

  /**
   * 401 is a refusal from the registry itself only: a storage's or a mirror's challenge is not answered. With an
   * Authorization so is 403 (ECR's expired password), and 400 if the token was not new (ECR Public).
   */
  #isRefusal({ status, url }: UpstreamResponse, sent: Authorization | undefined, startedAt: number): boolean {
    if (url.origin !== this.#options.url.origin) return false;
    if (status === 400) return sent?.scheme === 'bearer' && sent.issuedAt < startedAt;
    return status === 401 || (status === 403 && sent !== undefined);
  }

  /** Once more with a new token, then without the credentials. */
  async #negotiate(refusal: Refusal): Promise<UpstreamResponse> {
    const { request, repository, startedAt } = refusal;
    const { authorizer } = this.#options;
    let { status } = refusal.response;
    let last = refusal.sent;
    let hasExpired = await isExpiry(refusal.response);
    let mayRenew = !hasExpired;
    const open = await this.#withoutAuthorization(refusal);
    if (open.status !== 401 || open.url.origin !== this.#options.url.origin) return open;
    const method = await this.#learn(open, repository, request.signal);
    const access = { repository, scopes: this.#scopesFor(repository) };
    const untried: Identity[] = ['configured', 'anonymous'];
    for (let identity = untried.shift(); identity; identity = untried.shift()) {
      const authorization = await authorizer.authorize(identity, method, access);
      // What was refused a moment ago is not worth a second time, unless it is a password that is said to be renewed.
      if (!authorization || (authorization.header === last?.header && !hasExpired)) continue;
      const response = await this.#next(withAuthorization(request, authorization));
      if (!this.#isRefusal(response, authorization, startedAt)) {
        authorizer.accepted(authorization);
        return response;
      }
      ({ status } = response);
      last = authorization;
      hasExpired = await isExpiry(response);
      response.discard();
      if (hasExpired && mayRenew) untried.unshift(identity);
      mayRenew &&= !hasExpired;
    }
    if (last) authorizer.refused(last, access, status === 401 || hasExpired);
    throw this.#denial(method, repository, status);
  }

  /** The request as a stranger makes it: it works, or it brings a challenge that owes nothing to an old token. */
  async #withoutAuthorization({ request, response, sent, startedAt }: Refusal): Promise<UpstreamResponse> {
    if (!sent) return response;
    response.discard();
    if (sent.issuedAt < startedAt) sent.drop();
    return this.#next(request);
  }

  async #learn(response: UpstreamResponse, repository: string, signal: AbortSignal | undefined): Promise<LoginMethod> {
    response.discard();
    const { upstream, url } = this.#options;
    const challenges = challengesOf(response);
    if (challenges.length === 0) challenges.push(...(await this.#ping(signal)));
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    if (bearer) {
      const realm = URL.parse(bearer.parameters.get('realm') ?? '', url.href);
      if (!realm) throw new UpstreamError('INVALID', upstream, 'names a realm that is no URL', { status: 401 });
      await this.#options.guard.check(url, realm);
      this.#learnScopes(repository, challengesOf(response).flatMap(scopesOf));
      this.#method = { scheme: 'bearer', realm, service: bearer.parameters.get('service') };
    } else if (challenges.some(({ scheme }) => scheme === 'basic')) this.#method = { scheme: 'basic' };
    else throw new UpstreamError('DENIED', upstream, 'demands a login that we do not know', { status: 401 });
    return this.#method;
  }

  /** The gcr.io family leaves the challenge out everywhere but here. */
  async #ping(signal: AbortSignal | undefined): Promise<ReturnType<typeof parseChallenges>> {
    const url = new URL('v2/', this.#options.url);
    const response = await this.#next({ kind: 'ping', method: 'GET', url, headers: {}, signal });
    response.discard();
    return response.status === 401 && response.url.origin === url.origin ? challengesOf(response) : [];
  }

  #learnScopes(repository: string, named: readonly string[]): void {
    const usual = usualScope(repository);
    // ECR Public names the scope `aws`, which says nothing of the repository.
    const scopes = named.some((scope) => scope.startsWith('repository')) ? [...named] : [usual, ...named];
    if (scopes.length === 1 && scopes[0] === usual) this.#scopes.delete(repository);
    else this.#scopes.set(repository, [...new Set(scopes)]);
  }

  #scopesFor(repository: string): readonly string[] {
    return this.#scopes.get(repository) ?? [usualScope(repository)];
  }

  #denial(method: LoginMethod, repository: string, status: number): UpstreamError {
    const { authorizer, upstream } = this.#options;
    return authorizer.hasWrongCredentials(method)
      ? new UpstreamError('CREDENTIALS_REFUSED', upstream, 'refuses the configured credentials', { status })
      : new UpstreamError('DENIED', upstream, `does not let us read ${repository}`, { status });
  }
}

function usualScope(repository: string): string {
  return `repository:${repository}:pull`;
}

function challengesOf({ headers }: UpstreamResponse): ReturnType<typeof parseChallenges> {
  return parseChallenges(headers['www-authenticate']);
}

function withAuthorization(request: UpstreamRequest, authorization: Authorization | undefined): UpstreamRequest {
  if (!authorization) return request;
  return { ...request, headers: { ...request.headers, authorization: authorization.header } };
}

/** ECR: 403 with "Your Authorization Token has expired. Please run ..." as text. */
async function isExpiry(response: UpstreamResponse): Promise<boolean> {
  return response.status === 403 && /\bexpired\b/i.test(await readStart(response, ERROR_PAGE_BYTES));
}
