import { type Ledger, writeLedger } from './ledger.ts';

/** A crash loses the pieces that came after the last ledger: at most this many bytes, or this much time's worth. */
const LEDGER_BYTES = 8 * 1024 * 1024;
const LEDGER_MS = 100;

/** Writes an ingest's ledger now and then. One that cannot be written costs a resume after a crash, nothing else. */
export class LedgerKeeper {
  readonly #path: string;
  readonly #current: () => Ledger | undefined;
  #unsavedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isQueued = false;
  #hasEnded = false;

  /** @param current what is to be written; undefined while nothing can be said */
  constructor(path: string, current: () => Ledger | undefined) {
    this.#path = path;
    this.#current = current;
  }

  /** So many bytes more are in the file. */
  noteWritten(bytes: number): void {
    if (this.#hasEnded) return;
    this.#unsavedBytes += bytes;
    if (this.#unsavedBytes >= LEDGER_BYTES) this.save();
    else this.#timer ??= setTimeout(() => this.save(), LEDGER_MS).unref();
  }

  /** Writes it soon. */
  save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#hasEnded) return;
    this.#unsavedBytes = 0;
    // One that waits for its turn will write the newest state: on a slow disk they must not pile up.
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#writing = this.#writing.then(() => this.#write()).catch(() => undefined);
  }

  /** Writes no more, once what was to be saved is. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    await this.#writing;
  }

  async #write(): Promise<void> {
    this.#isQueued = false;
    const ledger = this.#current();
    if (ledger) await writeLedger(this.#path, ledger);
  }
}
