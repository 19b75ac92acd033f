import { execFile } from 'node:child_process';
import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A small disk of its own, which goes when it is disposed of. It needs root. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** From now on writing is refused, to root too. Nothing on it may be open for writing. */
  makeReadOnly(): Promise<void>;
  makeWritable(): Promise<void>;
}

/** Mounts an empty file system in memory: a full or read-only disk is a real one. */
export async function mountSmallDisk(sizeBytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  return {
    path,
    makeReadOnly: async () => {
      await run('mount', ['-o', 'remount,ro', path]);
    },
    makeWritable: async () => {
      await run('mount', ['-o', 'remount,rw', path]);
    },
    [Symbol.asyncDispose]: async () => {
      // Lazily: a file that a failed test left open must not keep the disk.
      await run('umount', ['-l', path]);
      await rmdir(path);
    },
  };
}

/** Takes the last byte of a small disk. @returns the file that has it now */
export async function fillUp(folder: string): Promise<string> {
  const path = join(folder, 'filler');
  await writeFile(path, Buffer.alloc(64 * 1024 * 1024)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  });
  return path;
}
