import { createHash, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { ANONYMOUS, type Action, type Principal } from './principal.ts';

/** A repository, its name in full, and what may be done to it. */
export interface Grant {
  readonly repository: string;
  readonly actions: readonly Action[];
}

/** What a token says. */
export interface TokenContent {
  readonly principal: Principal;
  readonly grants: readonly Grant[];
  /** May the catalog be listed? */
  readonly mayList: boolean;
}

/** A token as it is given out. */
export interface IssuedToken {
  readonly token: string;
  readonly issuedAtMs: number;
  readonly lifeSeconds: number;
}

/** An entry of the claim `access` (distribution, "Token Authentication Implementation"). */
interface AccessClaim {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const ALGORITHM = 'ES256';
/** Long enough for a pull; users that go are noticed at once all the same. */
const LIFE_SECONDS = 300;
/** A clock may be set back a little. */
const TOLERANCE_SECONDS = 5;
const MAX_REMEMBERED = 2_000;
const ACTIONS: ReadonlySet<string> = new Set<Action>(['pull', 'push', 'delete', 'replicate']);

/** Issues tokens and reads those that it has issued: JSON Web Tokens (RFC 7519) signed with one key, for one site. */
export class Tokens {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #site: string;
  readonly #now: () => number;
  /** By hash of the token: a signature costs more than the rest of a request. */
  readonly #known = new LRUCache<string, { content: TokenContent; endsAtMs: number }>({ max: MAX_REMEMBERED });

  constructor(key: KeyObject, site: string, now: () => number) {
    this.#privateKey = key;
    this.#publicKey = createPublicKey(key);
    this.#site = site;
    this.#now = now;
  }

  async issue({ principal, grants, mayList }: TokenContent): Promise<IssuedToken> {
    const issuedAt = Math.floor(this.#now() / 1000);
    const access: AccessClaim[] = grants.map(({ repository, actions }) => ({
      type: 'repository',
      name: repository,
      actions,
    }));
    if (mayList) access.push({ type: 'registry', name: 'catalog', actions: ['*'] });
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(this.#site)
      .setSubject(principal.isAnonymous ? '' : principal.name)
      .setAudience(this.#site)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + LIFE_SECONDS)
      .setJti(randomUUID())
      .sign(this.#privateKey);
    return { token, issuedAtMs: issuedAt * 1000, lifeSeconds: LIFE_SECONDS };
  }

  /** What a token says; undefined if it is none of ours or its time is over. */
  async read(token: string): Promise<TokenContent | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(key);
    if (known) return this.#now() < known.endsAtMs ? known.content : undefined;
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: [ALGORITHM],
        issuer: this.#site,
        audience: this.#site,
        requiredClaims: ['sub', 'iat', 'nbf', 'exp'],
        clockTolerance: TOLERANCE_SECONDS,
        currentDate: new Date(this.#now()),
      });
      const content = contentOf(payload.sub ?? '', (payload['access'] ?? []) as readonly AccessClaim[]);
      this.#known.set(key, { content, endsAtMs: (payload.exp ?? 0) * 1000 });
      return content;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }
}

/** The claims are as {@link Tokens.issue} made them: the signature says so. */
function contentOf(subject: string, access: readonly AccessClaim[]): TokenContent {
  return {
    principal: subject === '' ? ANONYMOUS : { name: subject, isAnonymous: false },
    grants: access
      .filter(({ type }) => type === 'repository')
      .map(({ name, actions }) => ({
        repository: name,
        actions: actions.filter((action): action is Action => ACTIONS.has(action)),
      })),
    mayList: access.some(({ type }) => type === 'registry'),
  };
}
