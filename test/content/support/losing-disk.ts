import { execFile } from 'node:child_process';
import { mkdir, open, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mountSmallDisk } from './tmpfs.ts';

const run = promisify(execFile);

/**
 * Mounts a disk that takes more than it can keep: writing succeeds, and only syncing tells that bytes were lost. It needs
 * root and a loop device.
 */
export async function mountLosingDisk(
  keepsBytes: number,
  takesBytes: number,
): Promise<{ path: string } & AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const below = opened.use(await mountSmallDisk(keepsBytes));
  const image = join(below.path, 'image');
  const file = await open(image, 'w');
  await file.truncate(takesBytes);
  await file.close();
  await run('mkfs.ext4', ['-q', '-O', '^has_journal', image]);
  const path = `${below.path}-losing`;
  await mkdir(path);
  opened.defer(() => rmdir(path));
  await run('mount', ['-o', 'loop', image, path]);
  opened.defer(async () => {
    await run('umount', ['-l', path]);
  });
  const cleanup = opened.move();
  return { path, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}
