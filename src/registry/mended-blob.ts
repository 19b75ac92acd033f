import { ContentError } from '../content/content-error.ts';
import { CodedError } from '../util/coded-error.ts';
import { CONTENT_PASSED } from './fill/bounded-ingest.ts';
import { NOBODY_READS } from './fill/passing-window.ts';

/** Where a blob's bytes come from. */
export interface BlobReading extends AsyncDisposable {
  /** At least one byte from that offset on, as soon as it is there; 0 at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
}

/** Finds another source for the rest. @param failure what was wrong with the last one */
export type Reopen = (failure: unknown, positionBytes: number) => Promise<BlobReading>;

/** A disk that fails again and again is not mended by trying. */
const MAX_MENDINGS = 3;

/**
 * Reads a blob from one source, and from another when that one turns out to be short or unreadable, or has gone on
 * without us: the bytes are the same wherever they come from, so the reader notices nothing.
 */
export class MendedBlob implements BlobReading {
  readonly #sizeBytes: () => number | undefined;
  readonly #reopen: Reopen;
  #current: BlobReading;
  #mendings = 0;
  #isClosed = false;

  /** @param sizeBytes undefined: the end is where the source says it is */
  constructor(first: BlobReading, sizeBytes: () => number | undefined, reopen: Reopen) {
    this.#current = first;
    this.#sizeBytes = sizeBytes;
    this.#reopen = reopen;
  }

  async read(buffer: Uint8Array, positionBytes: number): Promise<number> {
    for (;;) {
      try {
        const read = await this.#current.read(buffer, positionBytes);
        if (read > 0 || positionBytes >= (this.#sizeBytes() ?? 0)) return read;
        throw new ContentError('STORE_FAILED', `the file ends at ${positionBytes}`);
      } catch (error) {
        if (this.#isClosed || !isMendable(error) || this.#mendings >= MAX_MENDINGS) throw error;
        this.#mendings += 1;
        await this.#current[Symbol.asyncDispose]();
        if (this.#isClosed) throw error;
        this.#current = await this.#reopen(error, positionBytes);
        if (this.#isClosed) await this.#current[Symbol.asyncDispose]();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#current[Symbol.asyncDispose]();
  }
}

/** A download that ended because nobody read it may have been joined in that very moment. */
function isMendable(error: unknown): boolean {
  if (error instanceof ContentError) return true;
  return error instanceof CodedError && (error.code === CONTENT_PASSED || error.code === NOBODY_READS);
}
