import pino from 'pino';
import { CodedError } from '../util/coded-error.ts';
import { describeError, type Telemetry } from './telemetry.ts';

/** Something that somebody did or tried to do. */
export interface AuditEntry {
  /** A principal's name, or the name that a login was tried with. */
  readonly who: string;
  readonly action: 'pull' | 'push' | 'delete' | 'replicate' | 'login';
  /** In full. */
  readonly repository?: string | undefined;
  /** The tag or digest that was asked for. */
  readonly reference?: string | undefined;
  readonly digest?: string | undefined;
  /** The site where it was done first, of what a site repeats. */
  readonly origin?: string | undefined;
  /** The client's address. */
  readonly address: string | undefined;
  readonly requestId: string;
  /** `denied`: they may not; `failed`: they may, but it did not come to pass. */
  readonly outcome: 'allowed' | 'denied' | 'failed';
  /** Of the answer. */
  readonly status: number;
}

/** The record of who did what: every write, every login that failed and every refusal. */
export interface AuditLog {
  record(entry: AuditEntry): void;
}

export interface AuditFileOptions {
  /** An absolute path, or `stdout`. */
  readonly file: string;
  /** Stands on each line. */
  readonly site: string;
  readonly telemetry: Telemetry;
}

/** Long enough for any user's name; others come from whoever wants to be let in. */
const MAX_NAME_LENGTH = 255;
/** What waits for a disk that takes nothing, or for a reader that does not read. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const STDOUT = 'stdout';

/** The audit log as JSON lines in a file, to which it appends, or on standard output. */
export class AuditFile implements AuditLog, AsyncDisposable {
  readonly #destination: ReturnType<typeof pino.destination>;
  readonly #isFile: boolean;
  readonly #logger: pino.Logger;

  /** @throws CodedError `AUDIT_UNUSABLE` when the file cannot be opened */
  constructor({ file, site, telemetry }: AuditFileOptions) {
    this.#destination = openDestination(file);
    this.#isFile = file !== STDOUT;
    // What could not be written is kept, and written with the next entry.
    this.#destination.on('error', (error: unknown) =>
      telemetry.log.error({ file, ...describeError(error) }, 'the audit log could not be written'),
    );
    this.#destination.on('drop', () => telemetry.log.error({ file }, 'an entry of the audit log was lost'));
    this.#logger = pino(
      {
        base: { site },
        timestamp: pino.stdTimeFunctions.isoTime,
        // On standard output they stand among the lines of the program's log.
        formatters: { level: () => ({ log: 'audit' }) },
      },
      this.#destination,
    );
  }

  record(entry: AuditEntry): void {
    this.#logger.info({ ...entry, who: entry.who.slice(0, MAX_NAME_LENGTH) });
  }

  /** Goes on in a file of that name; the one it wrote to may have been renamed. Where none can be made it goes on as it was. */
  reopen(): void {
    if (!this.#isFile) return;
    try {
      this.#destination.reopen();
    } catch {
      // It is told as an error of the destination, which would close the file it goes on with when it succeeds later.
      this.#destination.removeAllListeners('ready');
    }
  }

  /** Writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#logger.flush(() => resolve()));
    if (this.#isFile) this.#destination.end();
  }
}

/** A file is written at once: an entry that was answered must not be lost with the process. Pipes may block, so they wait. */
function openDestination(file: string): ReturnType<typeof pino.destination> {
  const common = { append: true, mode: 0o600, maxLength: MAX_WAITING_BYTES, minLength: 0 };
  if (file === STDOUT) return pino.destination({ ...common, dest: 1, sync: false });
  try {
    return pino.destination({ ...common, dest: file, sync: true });
  } catch (cause) {
    const message = `the audit log ${file} cannot be written: ${(cause as Error).message}`;
    throw new CodedError('AUDIT_UNUSABLE', message, { cause });
  }
}
