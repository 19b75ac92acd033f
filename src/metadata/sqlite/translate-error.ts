import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { MetadataError } from '../metadata-error.ts';

/** Runs a piece of work on the database and gives its errors this layer's words. */
export function translated<Value>(file: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw translateError(file, error);
  }
}

/** What it says in this layer's words; what did not come from SQLite is returned as it is. */
export function translateError(file: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return translateMisuse(file, error);
  const because = { cause: error };
  const code = error.code;
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new MetadataError(
      'INDEX_IN_USE',
      `${file} is in use by another process: stop it, or give each its own storage.path`,
      because,
    );
  }
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) {
    return new MetadataError(
      'INDEX_CORRUPT',
      `${file} is damaged or is not an entrepot index (${error.message}): restore a backup of it, or run entrepot reindex`,
      because,
    );
  }
  if (/^SQLITE_(?:READONLY|CANTOPEN|PERM)/.test(code) || (code.startsWith('SQLITE_IOERR') && isReadOnly(file))) {
    return new MetadataError(
      'INDEX_READ_ONLY',
      `${file} cannot be written (${error.message}): storage.path must be writable`,
      because,
    );
  }
  if (code.startsWith('SQLITE_FULL')) {
    return new MetadataError('INDEX_FULL', `${file} cannot grow: its disk is full`, because);
  }
  return new MetadataError('INDEX_FAILED', `${file}: ${error.message}`, because);
}

/** better-sqlite3's own complaints. */
function translateMisuse(file: string, error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  if (error.message.includes('directory does not exist')) {
    return new MetadataError('INDEX_FAILED', `the folder of ${file} does not exist`, { cause: error });
  }
  if (error.message.includes('connection is not open')) {
    return new MetadataError('INDEX_FAILED', `${file} was closed`, { cause: error });
  }
  return error;
}

/** A read-only file system makes some calls of SQLite fail as if the disk were broken. */
function isReadOnly(file: string): boolean {
  try {
    accessSync(dirname(file), constants.W_OK);
    return false;
  } catch {
    return true;
  }
}
