import pLimit from 'p-limit';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { CredentialStanding } from './credential-standing.ts';
import { basicAuthorization, type Identity, type UpstreamCredentials } from './credentials.ts';
import { TokenCache } from './token-cache.ts';
import type { TokenClient, TokenGrant, TokenTarget } from './token-client.ts';

/** How a registry wants us to log in. */
export type LoginMethod =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: URL; readonly service: string | undefined };

/** What an authorization is for. */
export interface AccessRequest {
  readonly repository: string;
  readonly scopes: readonly string[];
}

/** The value of an Authorization header, and where it is from. */
export interface Authorization {
  readonly scheme: LoginMethod['scheme'];
  readonly header: string;
  /** When a token came; a password is always as of now. */
  readonly issuedAt: number;
  /** Forgets the token. */
  drop(): void;
}

export interface AuthorizerOptions {
  readonly upstream: string;
  readonly credentials: UpstreamCredentials | undefined;
  readonly tokens: TokenClient;
  readonly telemetry: Pick<Telemetry, 'credentialsRefused'>;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** Where Basic credentials go, as a place in {@link CredentialStanding}. */
const REGISTRY = 'registry';

/** Turns the configured credentials, or none, into Authorization headers. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #cache: TokenCache;
  readonly #standing: CredentialStanding;
  /** One by one until the first success: ten requests at once with a wrong password would be ten wrong passwords. */
  readonly #whileUnproven = pLimit(1);
  /** Where the credentials were found wrong the last time. */
  #wrongAt: string | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#cache = new TokenCache(options.now);
    this.#standing = new CredentialStanding(options.now);
  }

  /** Is there anything configured to log in with? */
  get hasCredentials(): boolean {
    return this.#options.credentials !== undefined;
  }

  /** undefined: there is nothing to log in with, or it is refused. */
  async authorize(identity: Identity, method: LoginMethod, access: AccessRequest): Promise<Authorization | undefined> {
    if (identity === 'configured' && !this.#options.credentials) return undefined;
    return method.scheme === 'basic' ? this.#basic(identity, access) : this.#bearer(identity, method, access);
  }

  /** Were the credentials found wrong a moment ago, so that they are not sent for now? */
  get isShunned(): boolean {
    return this.#wrongAt !== undefined && !this.#standing.mayUse(this.#wrongAt, '');
  }

  /** Were the credentials found wrong, not only of no use for one repository? */
  hasWrongCredentials(method: LoginMethod): boolean {
    return !this.#standing.mayUse(method.scheme === 'basic' ? REGISTRY : method.realm.href, '');
  }

  /** The registry took the header. */
  accepted({ scheme }: Authorization): void {
    if (scheme === 'basic') this.#standing.accepted(REGISTRY);
  }

  /** The registry refused the header. A token's refusal says nothing of the credentials: they were good for a token. */
  refused({ scheme }: Authorization, { repository }: AccessRequest, isWrong: boolean): void {
    if (scheme !== 'basic') return;
    if (!isWrong) this.#standing.refusedFor(REGISTRY, repository);
    else if (this.#standing.isProven(REGISTRY)) this.#standing.doubted(REGISTRY, repository);
    else this.#reportWrong(REGISTRY, repository);
  }

  #basic(identity: Identity, { repository }: AccessRequest): Authorization | undefined {
    const { credentials, now } = this.#options;
    if (identity === 'anonymous' || credentials?.type !== 'basic') return undefined;
    if (!this.#standing.mayUse(REGISTRY, repository)) return undefined;
    const header = basicAuthorization(credentials.username, credentials.password);
    return { scheme: 'basic', header, issuedAt: now(), drop: () => {} };
  }

  async #bearer(
    identity: Identity,
    { realm, service }: LoginMethod & { scheme: 'bearer' },
    access: AccessRequest,
  ): Promise<Authorization | undefined> {
    const target: TokenTarget = { realm, service, scopes: access.scopes };
    const key = JSON.stringify([realm.href, service, access.scopes.toSorted(), identity]);
    const token = await this.#cache.get(key, () =>
      identity === 'anonymous' ? this.#options.tokens.request(target, undefined) : this.#login(target, access),
    );
    if (!token) return undefined;
    const drop = () => this.#cache.drop(key, token);
    return { scheme: 'bearer', header: `Bearer ${token.value}`, issuedAt: token.fetchedAt, drop };
  }

  #login(target: TokenTarget, access: AccessRequest): Promise<TokenGrant> {
    const place = target.realm.href;
    const purpose = access.scopes.join(' ');
    const ask = async (): Promise<TokenGrant> => {
      if (!this.#standing.mayUse(place, purpose)) return { refused: 401 };
      const grant = await this.#options.tokens.request(target, this.#options.credentials);
      if ('token' in grant) this.#standing.accepted(place);
      else if (await this.#areWrong(target, grant.refused)) this.#reportWrong(place, access.repository);
      else this.#standing.refusedFor(place, purpose);
      return grant;
    };
    return this.#standing.isProven(place) ? ask() : this.#whileUnproven(ask);
  }

  /**
   * GHCR's token server refuses a private or missing repository just as it refuses a wrong password. A request without
   * scope, as `docker login` makes it, tells them apart; otherwise asking for a repository that does not exist would
   * shut off the credentials for all the others.
   */
  async #areWrong(target: TokenTarget, status: number): Promise<boolean> {
    if (status === 401 && !this.#standing.isProven(target.realm.href)) return true;
    return 'refused' in (await this.#options.tokens.request({ ...target, scopes: [] }, this.#options.credentials));
  }

  #reportWrong(place: string, repository: string): void {
    const { telemetry, upstream } = this.#options;
    this.#standing.refused(place);
    this.#wrongAt = place;
    const reason = place === REGISTRY ? 'refused by the registry' : 'refused by the token server';
    telemetry.credentialsRefused({ upstream, repository, reason });
  }
}
