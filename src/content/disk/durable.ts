import { open, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from '../content-error.ts';

/** Moves a synced file to its place so that it is there after a power cut as well. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  const folder = await open(dirname(to), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Writes a file whole or not at all, as seen by other readers; a power cut may lose it. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

/** Removes a file that may be gone already. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
