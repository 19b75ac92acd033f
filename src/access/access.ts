import type { Telemetry } from '../telemetry/telemetry.ts';
import { comparePassword, type ComparePassword } from './bcrypt.ts';
import { FailureLimit } from './failure-limit.ts';
import { type LoginOrigin, Logins, type LoginVerdict } from './logins.ts';
import { noPasswords, PasswordFile, type Passwords } from './password-file.ts';
import type { Credentials } from './password-list.ts';
import { Policy, type PolicyRuleOptions } from './policy.ts';
import { openTokenKey } from './token-key.ts';
import { type IssuedToken, type TokenContent, Tokens } from './tokens.ts';

export interface AccessOptions {
  /** Undefined: nobody can log in. */
  readonly htpasswdFile: string | undefined;
  /** Undefined: everyone may pull, nobody may do anything else. */
  readonly policy: readonly PolicyRuleOptions[] | undefined;
  /** The private key for tokens, in PEM; made when it is missing. */
  readonly keyFile: string;
  /** Tokens are of this site and for it. */
  readonly site: string;
  readonly telemetry: Telemetry;
}

/** Seams for tests. */
export interface AccessSeams {
  readonly compare?: ComparePassword;
  /** ms since the epoch. */
  readonly now?: () => number;
  /** How often to look whether the password file has changed. */
  readonly checkMs?: number;
}

/** A removed user should be gone soon. */
const CHECK_MS = 5_000;

/** Who somebody is and what they may do: passwords, tokens and the policy. */
export class Access implements Disposable {
  readonly policy: Policy;
  readonly #passwords: Passwords;
  readonly #logins: Logins;
  readonly #tokens: Tokens;

  private constructor(policy: Policy, passwords: Passwords, logins: Logins, tokens: Tokens) {
    this.policy = policy;
    this.#passwords = passwords;
    this.#logins = logins;
    this.#tokens = tokens;
  }

  /** @throws AccessError when the password file or the key cannot be used */
  static async open(options: AccessOptions, seams: AccessSeams = {}): Promise<Access> {
    const { telemetry, htpasswdFile: file } = options;
    const { now = Date.now, compare = comparePassword, checkMs = CHECK_MS } = seams;
    const tokens = new Tokens(await openTokenKey(options.keyFile, telemetry), options.site, now);
    const passwords =
      file === undefined ? noPasswords(now) : await PasswordFile.open({ file, telemetry, now, checkMs });
    const logins = new Logins({
      passwords,
      failures: { asked: new FailureLimit(now), unasked: new FailureLimit(now) },
      compare,
    });
    return new Access(new Policy(options.policy), passwords, logins, tokens);
  }

  /** @param from failures are limited for each address */
  login(credentials: Credentials, from: LoginOrigin): Promise<LoginVerdict> {
    return this.#logins.verify(credentials, from);
  }

  issueToken(content: TokenContent): Promise<IssuedToken> {
    return this.#tokens.issue(content);
  }

  /** What a token says; undefined if it is none of ours, its time is over, or its user is gone. */
  async readToken(token: string): Promise<TokenContent | undefined> {
    const content = await this.#tokens.read(token);
    const isKnown = content?.principal.isAnonymous || this.#passwords.current.has(content?.principal.name ?? '');
    return isKnown ? content : undefined;
  }

  [Symbol.dispose](): void {
    this.#passwords[Symbol.dispose]();
  }
}
