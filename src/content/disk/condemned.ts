import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.ts';
import { isMissing } from '../content-error.ts';

/**
 * Damaged files that the disk neither lets be moved nor removed, as one does that has become read-only. As long as they
 * are the same files they are no content.
 */
export class Condemned {
  readonly #marks = new Map<Digest, string>();

  /** Nothing happens when it is gone. @throws errors of the file system */
  async add(digest: Digest, path: string): Promise<void> {
    const mark = await markOf(path);
    if (mark !== undefined) this.#marks.set(digest, mark);
  }

  async has(digest: Digest, path: string): Promise<boolean> {
    const mark = this.#marks.get(digest);
    if (mark === undefined) return false;
    if ((await markOf(path)) === mark) return true;
    this.#marks.delete(digest);
    return false;
  }
}

/** Another one when the file is replaced, written to, or no longer protected. */
async function markOf(path: string): Promise<string | undefined> {
  let stats: Stats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}
