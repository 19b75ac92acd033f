import type { CopyResult } from './copying/copy.ts';
import type { LinkStatus } from './replication-operations.ts';

/** What a link did since the start. */
export class LinkTally {
  #sentBytes = 0;
  #isSparseRefused = false;
  #lastDoneAtMs: number | undefined;
  #lastError: { readonly atMs: number; readonly message: string } | undefined;

  get figures(): Pick<LinkStatus, 'sentBytes' | 'isSparseRefused' | 'lastDoneAtMs' | 'lastError'> {
    return {
      sentBytes: this.#sentBytes,
      isSparseRefused: this.#isSparseRefused,
      ...(this.#lastDoneAtMs !== undefined && { lastDoneAtMs: this.#lastDoneAtMs }),
      ...(this.#lastError && { lastError: this.#lastError }),
    };
  }

  /** What an earlier run did last. */
  restore(lastDoneAtMs: number | undefined): void {
    this.#lastDoneAtMs ??= lastDoneAtMs;
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  done({ isSparseRefused }: Pick<CopyResult, 'isSparseRefused'>): void {
    this.#isSparseRefused ||= isSparseRefused;
    this.#lastDoneAtMs = Date.now();
  }

  failed(message: string): void {
    this.#lastError = { atMs: Date.now(), message };
  }
}
