import type { FileHandle } from 'node:fs/promises';

/** One open file with several users: it is closed when the last of them lets go. */
export class SharedFile {
  readonly handle: FileHandle;
  #users = 1;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  acquire(): void {
    this.#users += 1;
  }

  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await this.handle.close();
  }
}
