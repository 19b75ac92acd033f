import type { Command } from 'commander';
import { lstat, open, rm } from 'node:fs/promises';
import { renameDurably } from '../../content/disk/durable.ts';
import { CodedError } from '../../util/coded-error.ts';
import type { AdminClient, Backup } from '../admin/admin-client.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatSize } from '../output/format.ts';
import { type Progress, startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';

/** Adds `backup`. */
export function addBackup(program: Command, end: End): void {
  adminCommand(program, 'backup <file>', 'write a consistent copy of the index to a new file').action(
    async (file: string, options: AdminOptions) => {
      await refuseExisting(file);
      const client = await connect(options);
      end(
        await interruptible('nothing was written', async (signal) => {
          const sizeBytes = await writeBackup(client, file, signal);
          await show({ file, sizeBytes }, options, () => `wrote ${formatSize(sizeBytes)} to ${file}`);
          return EXIT_CODE.ok;
        }),
      );
    },
  );
}
/** Writes beside the file first: what bears its name is whole. @returns its size */
async function writeBackup(client: AdminClient, file: string, signal: AbortSignal): Promise<number> {
  using progress = await startProgress('backup');
  const backup = await client.backup(signal);
  const part = `${file}.part`;
  try {
    await onDisk(part, () => writeBody(part, backup, progress));
    await refuseExisting(file);
    await onDisk(file, () => renameDurably(part, file));
    return backup.sizeBytes;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function writeBody(path: string, { body, sizeBytes }: Backup, progress: Progress): Promise<void> {
  await using file = await open(path, 'w');
  let written = 0;
  for await (const chunk of body) {
    await file.writeFile(chunk);
    written += chunk.length;
    progress.update(written, sizeBytes, `${formatSize(written)} of ${formatSize(sizeBytes)}`);
  }
  await file.sync();
}

async function refuseExisting(file: string): Promise<void> {
  const isThere = await lstat(file).then(
    () => true,
    () => false,
  );
  if (isThere) throw new WrongUse(`${file} is there already: it is not overwritten`);
}

/** Gives the errors of our own disk words. */
async function onDisk(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new CodedError('NOT_WRITTEN', `${path} cannot be written: ${error.message}`, { cause: error });
  }
}
