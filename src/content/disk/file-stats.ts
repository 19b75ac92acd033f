import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { isMissing } from '../content-error.ts';

/** Undefined when there is no plain file of that name. @throws errors of the file system */
export async function fileStats(path: string): Promise<Stats | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** What a file takes on the disk: blocks count 512 bytes, whatever the file system does (stat(2)). */
export function diskBytes(stats: Stats): number {
  return stats.blocks * 512;
}
