import { LRUCache } from 'lru-cache';
import type { AddressGuard } from './address-guard.ts';
import type { AccessRequest, Authorization, Authorizer, LoginMethod } from './authorizer.ts';
import { type Challenge, parseChallenges, scopesOf } from './challenge.ts';
import type { Identity } from './credentials.ts';
import { denialOf, readVerdict, type Verdict } from './denial.ts';
import { type Exchange, isStream, isWriting, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { scopesFor } from './scopes.ts';
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

/** A request as it was sent. */
interface Attempt {
  readonly request: UpstreamRequest;
  readonly sent: Authorization | undefined;
  readonly startedAt: number;
}

/** A request that was refused. */
interface Refusal extends Attempt {
  readonly response: UpstreamResponse;
}

const MAX_TARGETS = 1000;

/** Logs in where the registry asks for it, and ahead of time once it has asked. */
export function authenticating(next: Exchange, options: AuthenticationOptions): Exchange {
  const authentication = new Authentication(next, options);
  return (request) => {
    const { access, repository, url } = request;
    const isAnonymous = repository === undefined && access !== 'login';
    return isAnonymous || url.origin !== options.url.origin ? next(request) : authentication.send(request);
  };
}

class Authentication {
  readonly #next: Exchange;
  readonly #options: AuthenticationOptions;
  /** Scopes that the registry named for a target, where they make a difference. */
  readonly #scopes = new LRUCache<string, readonly string[]>({ max: MAX_TARGETS });
  /** From a 401 to a request without Authorization: nvcr.io names another realm when a token has run out. */
  #method: LoginMethod | undefined;

  constructor(next: Exchange, options: AuthenticationOptions) {
    this.#next = next;
    this.#options = options;
  }

  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const startedAt = this.#options.now();
    const sent = await this.#authorizeAhead(request);
    const response = await this.#next(withAuthorization(request, sent));
    if (this.#isRefusal(response, { request, sent, startedAt })) {
      return this.#negotiate({ request, response, sent, startedAt });
    }
    if (sent) this.#options.authorizer.accepted(sent);
    return response;
  }

  async #authorizeAhead(request: UpstreamRequest): Promise<Authorization | undefined> {
    const { authorizer } = this.#options;
    if (!this.#method) return undefined;
    const access = this.#accessFor(request);
    for (const identity of this.#identitiesFor(request)) {
      const authorization = await authorizer.authorize(identity, this.#method, access);
      if (authorization) return authorization;
    }
    return undefined;
  }

  /** What is public can be read without credentials that fail. To a peer we are known, or it is out of order. */
  #identitiesFor({ access }: UpstreamRequest): Identity[] {
    if (access === undefined) return ['configured', 'anonymous'];
    return [this.#options.authorizer.hasCredentials ? 'configured' : 'anonymous'];
  }

  /**
   * 401 is a refusal from the registry itself only: a storage's or a mirror's challenge is not answered. With an
   * Authorization so is 403 (ECR's expired password), and 400 of a reading if the token was not new (ECR Public).
   */
  #isRefusal({ status, url }: UpstreamResponse, attempt: Attempt): boolean {
    if (url.origin !== this.#options.url.origin) return false;
    if (status === 400) return !isWriting(attempt.request) && hasOldToken(attempt);
    return status === 401 || (status === 403 && attempt.sent !== undefined);
  }

  /** Once more with a new token, then, where that may help, without the credentials. */
  async #negotiate(refusal: Refusal): Promise<UpstreamResponse> {
    const { request, startedAt } = refusal;
    const { authorizer } = this.#options;
    let last = refusal.sent;
    let verdict = await readVerdict(request, refusal.response);
    if (isFinal(verdict, refusal)) throw this.#denial(request, verdict, false);
    let mayRenew = !verdict.hasExpired;
    const open = await this.#withoutAuthorization(refusal);
    const isRefused = open.status === 401 && open.url.origin === this.#options.url.origin;
    const { scopes } = this.#accessFor(request);
    const method = isRefused || isWriting(request) ? await this.#learn(open, refusal) : undefined;
    const access = this.#accessFor(request);
    // A token that is too weak for this may be good for what it was given for.
    if (last && hasOldToken(refusal) && access.scopes.join(' ') === scopes.join(' ')) last.drop();
    if (!method) return open;
    const untried = this.#identitiesFor(request);
    for (let identity = untried.shift(); identity; identity = untried.shift()) {
      const authorization = await authorizer.authorize(identity, method, access);
      // What was refused a moment ago is not worth a second time, unless it is a password that is said to be renewed.
      if (!authorization || (authorization.header === last?.header && !verdict.hasExpired)) continue;
      const response = await this.#next(withAuthorization(request, authorization));
      if (!this.#isRefusal(response, { request, sent: authorization, startedAt })) {
        authorizer.accepted(authorization);
        return response;
      }
      verdict = await readVerdict(request, response);
      last = authorization;
      response.discard();
      if (verdict.hasExpired && mayRenew) untried.unshift(identity);
      mayRenew &&= !verdict.hasExpired;
    }
    this.#noteRefused(request, { last, verdict, access });
    throw this.#denial(request, verdict, authorizer.hasWrongCredentials(method));
  }

  /** The request as a stranger makes it: it works, or it brings a challenge that owes nothing to an old token. */
  async #withoutAuthorization({ request, response, sent }: Refusal): Promise<UpstreamResponse> {
    if (!sent) return response;
    response.discard();
    // Strangers write nowhere, and a body is not sent for a challenge.
    return isWriting(request) ? response : this.#next(request);
  }

  async #learn(open: UpstreamResponse, { request, sent }: Refusal): Promise<LoginMethod> {
    open.discard();
    const { upstream, url } = this.#options;
    const named = challengesOf(open);
    const owesToOldToken = isWriting(request) && sent !== undefined;
    const root = named.length === 0 || owesToOldToken ? await this.#ping(request) : [];
    const challenges = [...root, ...named];
    // Where the root is open to all nobody is challenged there: the login that there was is as good as any.
    if (challenges.length === 0 && open.status === 403 && this.#method) return this.#method;
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    if (bearer) {
      const realm = URL.parse(bearer.parameters.get('realm') ?? '', url.href);
      if (!realm) throw new UpstreamError('INVALID', upstream, 'names a realm that is no URL', { status: 401 });
      await this.#options.guard.check(url, realm);
      if (open.status === 401) this.#learnScopes(request, named.flatMap(scopesOf));
      this.#method = { scheme: 'bearer', realm, service: bearer.parameters.get('service') };
    } else if (challenges.some(({ scheme }) => scheme === 'basic')) this.#method = { scheme: 'basic' };
    else throw new UpstreamError('DENIED', upstream, 'demands a login that we do not know', { status: 401 });
    return this.#method;
  }

  /** The gcr.io family leaves the challenge out everywhere but here. */
  async #ping({ pace, signal }: UpstreamRequest): Promise<Challenge[]> {
    const url = new URL('v2/', this.#options.url);
    const ping = { kind: 'ping', method: 'GET', url, headers: {}, signal, ...(pace && { pace }) } as const;
    const response = await this.#next(ping);
    response.discard();
    return response.status === 401 && response.url.origin === url.origin ? challengesOf(response) : [];
  }

  #learnScopes(request: UpstreamRequest, named: readonly string[]): void {
    const key = keyOf(request);
    const isUsual = scopesFor(request, named).join(' ') === scopesFor(request, []).join(' ');
    if (isUsual) this.#scopes.delete(key);
    else this.#scopes.set(key, named);
  }

  #accessFor(request: UpstreamRequest): AccessRequest {
    const scopes = scopesFor(request, this.#scopes.get(keyOf(request)) ?? []);
    return { repository: request.repository ?? '', scopes };
  }

  #noteRefused(
    { access: wanted }: UpstreamRequest,
    { last, verdict, access }: { last: Authorization | undefined; verdict: Verdict; access: AccessRequest },
  ): void {
    const isWrong = verdict.status === 401 || verdict.hasExpired;
    // That a peer will not take one thing says nothing of the next.
    if (last && (isWrong || wanted === undefined)) this.#options.authorizer.refused(last, access, isWrong);
  }

  #denial(request: UpstreamRequest, verdict: Verdict, isWrong: boolean): UpstreamError {
    return denialOf(this.#options.upstream, request, { isWrong, verdict });
  }
}

/** Has a peer had its say? A token may have been given before the right was. */
function isFinal({ hasExpired, status }: Verdict, refusal: Refusal): boolean {
  const { request } = refusal;
  if (request.access === undefined || status !== 403 || hasExpired) return false;
  return isStream(request.body) || !hasOldToken(refusal);
}

function hasOldToken({ sent, startedAt }: Attempt): boolean {
  return sent?.scheme === 'bearer' && sent.issuedAt < startedAt;
}

function keyOf({ access, from, repository }: UpstreamRequest): string {
  return JSON.stringify([access, repository, from]);
}

function challengesOf({ headers }: UpstreamResponse): Challenge[] {
  return parseChallenges(headers['www-authenticate']);
}

function withAuthorization(request: UpstreamRequest, authorization: Authorization | undefined): UpstreamRequest {
  if (!authorization) return request;
  return { ...request, headers: { ...request.headers, authorization: authorization.header } };
}
