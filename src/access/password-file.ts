import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import { AccessError } from './access-error.ts';
import { parseHtpasswd } from './htpasswd.ts';
import { PasswordList } from './password-list.ts';

/** Where users and their passwords come from. */
export interface Passwords extends Disposable {
  readonly current: PasswordList;
}

export interface PasswordFileOptions {
  readonly file: string;
  readonly telemetry: Telemetry;
  readonly now: () => number;
  /** How often to look whether the file has changed. */
  readonly checkMs: number;
}

/** Nobody can log in. */
export function noPasswords(now: () => number): Passwords {
  return { current: new PasswordList(new Map(), now), [Symbol.dispose]: () => undefined };
}

/** The users of a file, which is read again when it changes; while it makes no sense, the last users that did stay. */
export class PasswordFile implements Passwords {
  readonly #options: PasswordFileOptions;
  readonly #onChange = () => void this.#reload();
  #current: PasswordList;
  #readings = 0;

  private constructor(options: PasswordFileOptions) {
    this.#options = options;
    this.#current = new PasswordList(new Map(), options.now);
    // Before it is read: what changes meanwhile is noticed.
    watchFile(options.file, { interval: options.checkMs, persistent: false }, this.#onChange);
  }

  /** @throws AccessError when the file cannot be read or a line of it makes no sense */
  static async open(options: PasswordFileOptions): Promise<PasswordFile> {
    const opened = new PasswordFile(options);
    try {
      await opened.#read();
      return opened;
    } catch (error) {
      opened[Symbol.dispose]();
      throw error;
    }
  }

  get current(): PasswordList {
    return this.#current;
  }

  async #reload(): Promise<void> {
    const { telemetry, file } = this.#options;
    try {
      await this.#read();
      telemetry.log.info({ file }, 'the password file was read again');
    } catch (error) {
      telemetry.log.error({ file, ...describeError(error) }, 'the changed password file cannot be used');
    }
  }

  async #read(): Promise<void> {
    this.#readings += 1;
    const reading = this.#readings;
    const list = await readList(this.#options);
    // One that began later knows better.
    if (reading === this.#readings) this.#current = list;
  }

  [Symbol.dispose](): void {
    unwatchFile(this.#options.file, this.#onChange);
  }
}

async function readList({ file, now }: PasswordFileOptions): Promise<PasswordList> {
  try {
    return new PasswordList(parseHtpasswd(await readFile(file, 'utf8')), now);
  } catch (cause) {
    const message = `the password file ${file} cannot be used: ${(cause as Error).message}`;
    throw new AccessError('PASSWORDS_UNUSABLE', message, { cause });
  }
}
