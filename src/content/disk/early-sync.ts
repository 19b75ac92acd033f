import type { FileHandle } from 'node:fs/promises';

/**
 * Has a file written to the disk while it still grows, so that syncing it at its end is short: with 512 MiB, 30 ms instead
 * of 300. One file at a time, since each sync takes a thread that readers need.
 */
export class EarlySync {
  #isBusy = false;

  /** Undefined when another one is under way. It fails as the sync at the end would. */
  begin(handle: FileHandle): Promise<void> | undefined {
    if (this.#isBusy) return undefined;
    this.#isBusy = true;
    return handle.datasync().finally(() => {
      this.#isBusy = false;
    });
  }
}
