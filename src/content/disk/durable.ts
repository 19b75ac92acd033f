import { mkdir, open, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMissing } from '../content-error.ts';
import { diskBytes } from './file-stats.ts';

/** Moves a synced file to its place so that it is there after a power cut as well. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/**
 * Makes a folder, and those above it, so that they are there after a power cut as well. One by one: where the system says
 * ENOENT to any new folder, as below /proc, Node's `recursive` never ends.
 */
export async function makeFolderDurably(path: string): Promise<void> {
  const folder = resolve(path);
  try {
    if (!(await makeFolder(folder))) return;
  } catch (error) {
    if (!isMissing(error) || dirname(folder) === folder) throw error;
    await makeFolderDurably(dirname(folder));
    if (!(await makeFolder(folder))) return;
  }
  await syncFolder(dirname(folder));
}

/** @returns false: it was there */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
    return false;
  }
}

/** Makes what was done in a folder, to its names, survive a power cut. @returns what it takes on the disk by itself */
export async function syncFolder(path: string): Promise<number> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
    return diskBytes(await folder.stat());
  } finally {
    await folder.close();
  }
}

/** Writes a file whole or not at all, as seen by other readers; a power cut may lose it. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await removeFile(temporary).catch(() => undefined);
    throw error;
  }
}

/** Removes a file that may be gone already. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Removes whatever stands in the place of a piece of content: somebody may have put a folder there. */
export async function removeContent(path: string): Promise<void> {
  try {
    await removeFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    await rm(path, { recursive: true, force: true });
  }
}
