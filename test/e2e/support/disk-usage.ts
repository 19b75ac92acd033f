import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What stands in a folder. */
export interface DiskUsage {
  /** All of it, the folder itself included. */
  readonly bytes: number;
  /** Bytes by the name of what lies directly in the folder. */
  readonly parts: Readonly<Record<string, number>>;
}

const DISK_SECTOR_BYTES = 512;

/** What a folder takes of the disk, as `du` counts it: with the folders in it, and a file that has two names once. */
export function diskUsage(folder: string): DiskUsage {
  const seen = new Set<number>();
  const measure = (path: string): number => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    // What goes while we look does not count.
    if (!stats || seen.has(stats.ino)) return 0;
    seen.add(stats.ino);
    const own = stats.blocks * DISK_SECTOR_BYTES;
    if (!stats.isDirectory()) return own;
    return namesIn(path).reduce((sum, name) => sum + measure(join(path, name)), own);
  };
  const parts = Object.fromEntries(namesIn(folder).map((name) => [name, measure(join(folder, name))]));
  const own = (lstatSync(folder, { throwIfNoEntry: false })?.blocks ?? 0) * DISK_SECTOR_BYTES;
  return { bytes: Object.values(parts).reduce((sum, bytes) => sum + bytes, own), parts };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
