import pLimit from 'p-limit';
import { SingleFlight } from '../util/single-flight.ts';
import type { ComparePassword } from './bcrypt.ts';
import type { FailureLimit } from './failure-limit.ts';
import type { Passwords } from './password-file.ts';
import type { Credentials, PasswordList } from './password-list.ts';
import type { Principal } from './principal.ts';

/** What became of a login. */
export type LoginVerdict =
  | { readonly kind: 'accepted'; readonly principal: Principal }
  /** `isCompared`: not merely known from a moment ago. */
  | { readonly kind: 'refused'; readonly isCompared: boolean }
  /** Nothing was compared: too many failures from there, or too many logins at once. */
  | { readonly kind: 'limited'; readonly retryAfterMs: number };

/** libuv has four threads, and files are read by them too. */
const COMPARISONS_AT_ONCE = 2;
/** With 60 ms for each, the last one waits for four seconds. */
const MAX_WAITING = 128;
const RETRY_WHEN_BUSY_MS = 5_000;

/** Does the address demand credentials? What is sent to one that does not is often somebody else's. */
type LoginKind = 'asked' | 'unasked';

export interface LoginsOptions {
  readonly passwords: Passwords;
  /** Failures of one kind do not hold up the other. */
  readonly failures: Readonly<Record<LoginKind, FailureLimit>>;
  readonly compare: ComparePassword;
}

/** Where a login comes from. */
export interface LoginOrigin {
  readonly kind: LoginKind;
  /** The client's. */
  readonly address: string | undefined;
}

/** Verifies user names and passwords. Whether a name exists cannot be told from the answer or the time it takes. */
export class Logins {
  readonly #passwords: Passwords;
  readonly #failures: LoginsOptions['failures'];
  readonly #compare: ComparePassword;
  readonly #running = new SingleFlight<LoginVerdict>();
  readonly #turns = pLimit(COMPARISONS_AT_ONCE);

  constructor(options: LoginsOptions) {
    this.#passwords = options.passwords;
    this.#failures = options.failures;
    this.#compare = options.compare;
  }

  /**
   * The same credentials again cost nothing for a while, right or wrong, and count as one failure.
   * @param from the client's address, and how it came to log in
   */
  async verify(credentials: Credentials, from: LoginOrigin): Promise<LoginVerdict> {
    const list = this.#passwords.current;
    if (list.isEmpty) return { kind: 'refused', isCompared: false };
    const key = list.keyOf(credentials);
    const known = list.recall(key);
    if (known !== undefined) return verdictOn(credentials.name, known, false);
    return this.#running.run(`${from.kind} ${key}`, () => this.#attempt(list, credentials, from));
  }

  async #attempt(list: PasswordList, credentials: Credentials, from: LoginOrigin): Promise<LoginVerdict> {
    const limited = this.#limitFor(list, credentials, from);
    if (limited) return limited;
    if (this.#turns.pendingCount >= MAX_WAITING) return { kind: 'limited', retryAfterMs: RETRY_WHEN_BUSY_MS };
    return this.#turns(async () => {
      // Many at once are no way around the limit: by now others may have failed.
      const late = this.#limitFor(list, credentials, from);
      if (late) return late;
      const { name, password } = credentials;
      const isAlike = await this.#compare(password, list.hashFor(name));
      const isRight = isAlike && list.has(name);
      list.remember(list.keyOf(credentials), isRight);
      if (!isRight) this.#failures[from.kind].failed(from.address);
      return verdictOn(name, isRight, true);
    });
  }

  #limitFor(list: PasswordList, credentials: Credentials, { kind, address }: LoginOrigin): LoginVerdict | undefined {
    const waitMs = this.#failures[kind].waitMs(address);
    if (waitMs === undefined || list.wasAccepted(list.keyOf(credentials))) return undefined;
    return { kind: 'limited', retryAfterMs: waitMs };
  }
}

function verdictOn(name: string, isRight: boolean, isCompared: boolean): LoginVerdict {
  return isRight ? { kind: 'accepted', principal: { name, isAnonymous: false } } : { kind: 'refused', isCompared };
}
