import { LRUCache } from 'lru-cache';
import { basicAuthorization, type UpstreamCredentials } from './credentials.ts';
import type { Exchange, UpstreamRequest, UpstreamResponse } from './exchange.ts';
import { type IssuedToken, parseTokenResponse } from './token-response.ts';
import { UpstreamError } from './upstream-error.ts';

/** What a token is asked for. */
export interface TokenTarget {
  readonly realm: URL;
  /** Missing at nvcr.io. */
  readonly service: string | undefined;
  readonly scopes: readonly string[];
}

/** A token, or the status with which the token server says no. */
export type TokenGrant = { readonly token: IssuedToken } | { readonly refused: number };

const CLIENT_ID = 'entrepot';
const BODY_LIMIT_BYTES = 256 * 1024;
/** All of a token request, so that a server which sends byte by byte can't hold up a repository. */
const DEADLINE_MS = 30_000;
/** Answers of a token server that does not know this kind of request (distribution, docs/content/spec/auth/oauth.md). */
const OTHER_METHOD = new Set([400, 404, 405]);

/** Asks token servers for bearer tokens. */
export class TokenClient {
  readonly #upstream: string;
  readonly #send: Exchange;
  /** Realms that take a password by POST only. */
  readonly #postRealms = new LRUCache<string, true>({ max: 16 });

  constructor(upstream: string, send: Exchange) {
    this.#upstream = upstream;
    this.#send = send;
  }

  /** One token request. @param credentials undefined: an anonymous token */
  async request(target: TokenTarget, credentials: UpstreamCredentials | undefined): Promise<TokenGrant> {
    if (!credentials) return this.#grantOf(await this.#get(target, {}));
    if (credentials.type === 'identityToken') {
      const form = { grant_type: 'refresh_token', refresh_token: credentials.token.reveal() };
      return this.#grantOf(await this.#post(target, form));
    }
    const { username, password } = credentials;
    const form = { grant_type: 'password', username, password: password.reveal() };
    if (this.#postRealms.has(target.realm.href)) return this.#grantOf(await this.#post(target, form));
    const answer = await this.#get(target, { authorization: basicAuthorization(username, password) }, username);
    if (!OTHER_METHOD.has(answer.status)) return this.#grantOf(answer);
    answer.discard();
    const grant = this.#grantOf(await this.#post(target, form));
    if ('token' in grant) this.#postRealms.set(target.realm.href, true);
    return grant;
  }

  #get(target: TokenTarget, headers: UpstreamRequest['headers'], account?: string): Promise<UpstreamResponse> {
    const url = new URL(target.realm);
    url.hash = '';
    if (target.service !== undefined) url.searchParams.append('service', target.service);
    for (const scope of target.scopes) url.searchParams.append('scope', scope);
    url.searchParams.append('client_id', CLIENT_ID);
    if (account !== undefined) url.searchParams.append('account', account);
    return this.#request({ method: 'GET', url, headers });
  }

  #post(target: TokenTarget, form: Record<string, string>): Promise<UpstreamResponse> {
    const body = new URLSearchParams({
      ...form,
      client_id: CLIENT_ID,
      ...(target.service === undefined ? {} : { service: target.service }),
      ...(target.scopes.length === 0 ? {} : { scope: target.scopes.join(' ') }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#request({ method: 'POST', url: target.realm, headers, body: body.toString() });
  }

  #request(request: Pick<UpstreamRequest, 'method' | 'url' | 'headers' | 'body'>): Promise<UpstreamResponse> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    return this.#send({ ...request, kind: 'token', bodyLimitBytes: BODY_LIMIT_BYTES, signal });
  }

  #grantOf(response: UpstreamResponse): TokenGrant {
    const { bytes, status, url } = response;
    if (bytes) {
      const token = parseTokenResponse(bytes, Date.now());
      if (token) return { token };
      throw new UpstreamError('INVALID', this.#upstream, `no token in the answer of ${url.host}`, { status });
    }
    response.discard();
    if (status >= 400 && status < 500) return { refused: status };
    throw new UpstreamError('INVALID', this.#upstream, `${url.host} answered a token request with ${status}`, {
      status,
    });
  }
}
