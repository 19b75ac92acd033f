import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.ts';
import { isMissing } from '../content-error.ts';
import { diskBytes } from './file-stats.ts';

/**
 * Damaged files that the disk neither lets be moved nor removed, as one does that has become read-only. As long as they
 * are the same files they are no content.
 */
export class Condemned {
  readonly #marks = new Map<Digest, Mark>();

  /** What they take on the disk. */
  get bytes(): number {
    return this.#marks.values().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Nothing happens when it is gone. @throws errors of the file system */
  async add(digest: Digest, path: string): Promise<void> {
    const mark = await markOf(path);
    if (mark !== undefined) this.#marks.set(digest, mark);
  }

  async has(digest: Digest, path: string): Promise<boolean> {
    const mark = this.#marks.get(digest);
    if (mark === undefined) return false;
    if ((await markOf(path))?.text === mark.text) return true;
    this.#marks.delete(digest);
    return false;
  }
}

/** Another text when the file is replaced, written to, or no longer protected. */
interface Mark {
  readonly text: string;
  readonly bytes: number;
}

async function markOf(path: string): Promise<Mark | undefined> {
  let stats: Stats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const { dev, ino, size, mtimeMs, ctimeMs } = stats;
  return { text: `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`, bytes: diskBytes(stats) };
}
