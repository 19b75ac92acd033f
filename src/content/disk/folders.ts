import { lstat, mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isMissing } from '../content-error.ts';
import { syncFolder } from './durable.ts';
import { diskBytes } from './file-stats.ts';
import { namesIn } from './names-in.ts';

/** The folders below `storage.path`. Each is made when it is first needed, and again when somebody has removed it. */
export class Folders {
  readonly #root: string;
  readonly #ready = new Map<string, Promise<void>>();
  /** What each takes on the disk by itself. They grow with the names in them, and do not shrink. */
  readonly #sizes = new Map<string, number>();

  constructor(root: string) {
    this.#root = root;
  }

  /** What all of them take on the disk, without the files in them. */
  get bytes(): number {
    return this.#sizes.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Looks at folders, and at what is so many levels below them. What cannot be looked at counts for nothing. */
  async measure(folders: readonly string[], depth = 0): Promise<void> {
    await Promise.all(
      folders.map(async (folder) => {
        await this.#measure(folder).catch(() => undefined);
        if (depth === 0) return;
        const names = await namesIn(folder, 'folder').catch(() => []);
        await this.measure(
          names.map((name) => join(folder, name)),
          depth - 1,
        );
      }),
    );
  }

  /** Moves a synced file to its place, for good. @throws errors of the file system */
  async place(from: string, to: string): Promise<void> {
    const folder = dirname(to);
    const sizeBytes = await this.within(folder, async () => {
      await rename(from, to);
      return syncFolder(folder);
    });
    this.#sizes.set(folder, sizeBytes);
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
    this.#sizes.set(above, await syncFolder(above));
    await this.#measure(folder);
  }

  async #measure(folder: string): Promise<void> {
    try {
      this.#sizes.set(folder, diskBytes(await lstat(folder)));
    } catch (error) {
      // Somebody removes it while we look.
      if (!isMissing(error)) throw error;
    }
  }
}
