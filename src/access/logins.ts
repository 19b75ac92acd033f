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
  | { readonly kind: 'refused' }
  /** Nothing was compared: too many failures from there, or too many logins at once. */
  | { readonly kind: 'limited'; readonly retryAfterMs: number };

/** libuv has four threads, and files are read by them too. */
const COMPARISONS_AT_ONCE = 2;
/** With 60 ms for each, the last one waits for four seconds. */
const MAX_WAITING = 128;
const RETRY_WHEN_BUSY_MS = 5_000;

export interface LoginsOptions {
  readonly passwords: Passwords;
  readonly failures: FailureLimit;
  readonly compare: ComparePassword;
}

/** Verifies user names and passwords. Whether a name exists cannot be told from the answer or the time it takes. */
export class Logins {
  readonly #passwords: Passwords;
  readonly #failures: FailureLimit;
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
   * @param address the client's
   */
  async verify(credentials: Credentials, address: string | undefined): Promise<LoginVerdict> {
    const list = this.#passwords.current;
    if (list.isEmpty) return { kind: 'refused' };
    const key = list.keyOf(credentials);
    const known = list.recall(key);
    if (known !== undefined) return verdictOn(credentials.name, known);
    return this.#running.run(key, () => this.#attempt(list, credentials, address));
  }

  async #attempt(list: PasswordList, credentials: Credentials, address: string | undefined): Promise<LoginVerdict> {
    const waitMs = this.#failures.begin(address);
    if (waitMs !== undefined) return { kind: 'limited', retryAfterMs: waitMs };
    if (this.#turns.pendingCount >= MAX_WAITING) {
      this.#failures.takeBack(address);
      return { kind: 'limited', retryAfterMs: RETRY_WHEN_BUSY_MS };
    }
    const { name, password } = credentials;
    const isAlike = await this.#turns(() => this.#compare(password, list.hashFor(name)));
    const isRight = isAlike && list.has(name);
    list.remember(list.keyOf(credentials), isRight);
    if (isRight) this.#failures.takeBack(address);
    return verdictOn(name, isRight);
  }
}

function verdictOn(name: string, isRight: boolean): LoginVerdict {
  return isRight ? { kind: 'accepted', principal: { name, isAnonymous: false } } : { kind: 'refused' };
}
