import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from '../content-error.ts';
import { renameDurably, syncFolder } from './durable.ts';

/** The folders below `storage.path`. Each is made when it is first needed, and again when somebody has removed it. */
export class Folders {
  readonly #root: string;
  readonly #ready = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Moves a synced file to its place, for good. @throws errors of the file system */
  place(from: string, to: string): Promise<void> {
    return this.within(dirname(to), () => renameDurably(from, to));
  }

  /** Makes the folder, and does something in it; once more if it was not there after all. @throws what `act` throws */
  async within<Value>(folder: string, act: () => Promise<Value>): Promise<Value> {
    await this.#make(folder);
    try {
      return await act();
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#ready.clear();
      await this.#make(folder);
      return act();
    }
  }

  /** Once for all who come meanwhile: what they put into it lasts only when the folder does. */
  #make(folder: string): Promise<void> {
    const ready = this.#ready.get(folder);
    if (ready) return ready;
    const made = this.#makeAndSync(folder).catch((error: unknown) => {
      this.#ready.delete(folder);
      throw error;
    });
    this.#ready.set(folder, made);
    return made;
  }

  async #makeAndSync(folder: string): Promise<void> {
    const above = dirname(folder);
    if (above !== this.#root) await this.#make(above);
    await mkdir(folder, { recursive: true });
    // Also if it was there: a process that was killed may have made it without syncing it.
    await syncFolder(above);
  }
}
