import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { unmountBelow } from './leftovers.ts';
import { run } from './run.ts';

/** A file system of its own, in memory. */
export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  readonly freeBytes: number;
  /** What somebody else has written to it. */
  readonly foreignBytes: number;
  /** Lets somebody else write: so many bytes, or until nothing is free. */
  fill(bytes?: number): void;
  /** Takes that away again. */
  clear(): void;
}

const STEP = Buffer.alloc(64 * 1024, 'x');

/** Mounts an empty tmpfs. Root only; refused, it throws. */
export async function mountSmallDisk(sizeBytes: number): Promise<SmallDisk> {
  await using opened = new AsyncDisposableStack();
  const path = join(opened.use(await temporaryDirectory()).path, 'disk');
  await mkdir(path);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  opened.defer(() => unmountBelow(path));
  const cleanup = opened.move();
  const foreign = join(path, 'foreign');
  let foreignBytes = 0;
  return {
    path,
    get freeBytes() {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    get foreignBytes() {
      return foreignBytes;
    },
    fill: (bytes = Infinity) => {
      const file = openSync(foreign, 'a');
      try {
        for (const end = foreignBytes + bytes; foreignBytes < end; )
          foreignBytes += writeSync(file, STEP, 0, Math.min(STEP.length, end - foreignBytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    clear: () => {
      rmSync(foreign, { force: true });
      foreignBytes = 0;
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}
