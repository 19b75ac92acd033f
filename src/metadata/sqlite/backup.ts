import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { MetadataError } from '../metadata-error.ts';
import { translateError } from './translate-error.ts';

/** Pages copied before others have their turn: under a millisecond. */
const PAGES = 100;

/**
 * Copies the index while it goes on to be used: what is written meanwhile is in the copy too. The copy needs no file
 * beside it, and is under its name only when it is whole and on the disk.
 * @throws MetadataError a file of that name is there, the folder is not, its disk refuses; or the reason of the signal
 */
export async function backUp(database: Database.Database, file: string, signal: AbortSignal): Promise<void> {
  const partial = `${file}.tmp`;
  try {
    refuseExisting(file);
    await rm(partial, { force: true });
    await copy(database, partial, signal);
    detach(partial);
    refuseExisting(file);
    await rename(partial, file);
    await syncFolder(file);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    await rm(`${partial}-journal`, { force: true }).catch(() => undefined);
    throw asMetadataError(file, error);
  }
}

function refuseExisting(file: string): void {
  if (existsSync(file)) throw new MetadataError('INDEX_FAILED', `${file} is there already: name a new file`);
}

async function copy(database: Database.Database, file: string, signal: AbortSignal): Promise<void> {
  await using partial = await open(file, 'wx');
  let syncing: Promise<void> | undefined;
  try {
    await database.backup(file, {
      progress: () => {
        signal.throwIfAborted();
        // Its last step waits for the disk, and the event loop with it: most of it is to be there by then.
        syncing ??= partial
          .datasync()
          .catch(() => undefined)
          .finally(() => {
            syncing = undefined;
          });
        return PAGES;
      },
    });
  } finally {
    await syncing;
  }
}

/** The copy says of itself that it has a write-ahead log, as the index does: it is to be complete without one. */
function detach(file: string): void {
  const copied = new Database(file);
  try {
    copied.pragma('journal_mode = DELETE');
  } finally {
    copied.close();
  }
}

async function syncFolder(file: string): Promise<void> {
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
}

function asMetadataError(file: string, error: unknown): unknown {
  const code = error instanceof Error && 'syscall' in error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return translateError(file, error);
  const because = { cause: error };
  switch (code) {
    case 'ENOENT':
      return new MetadataError('INDEX_FAILED', `the folder of ${file} does not exist`, because);
    case 'ENOSPC':
    case 'EDQUOT':
      return new MetadataError('INDEX_FULL', `${file} cannot grow: its disk is full`, because);
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new MetadataError('INDEX_READ_ONLY', `${file} cannot be written: its folder must be writable`, because);
    default:
      return new MetadataError('INDEX_FAILED', `${file} cannot be written: ${code}`, because);
  }
}
