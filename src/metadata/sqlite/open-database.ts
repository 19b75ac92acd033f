import Database from 'better-sqlite3';
import { MetadataError } from '../metadata-error.ts';
import { MIGRATIONS } from './migrations.ts';
import { translated } from './translate-error.ts';

/** Marks the file as ours (SQLite's `PRAGMA application_id`): "entr" in ASCII. */
const APPLICATION_ID = 0x656e7472;
/** A predecessor that is ending has this long to let go of the file. */
const BUSY_MS = 2_000;
/** The write-ahead log goes into the database once it has so many pages of 4096 bytes: that waits for the disk. */
const WAL_PAGES = 4_000;
/** A log that a large transaction has made longer is cut to this. */
const WAL_LIMIT_BYTES = 20 * 1024 * 1024;

/**
 * Opens the index, for this process alone, and brings its schema up to date.
 * @throws MetadataError in use, too new, damaged, read-only or full; the file is left as it was
 */
export function openDatabase(file: string): Database.Database {
  return translated(file, () => {
    const database = new Database(file, { timeout: BUSY_MS });
    try {
      // The kernel's lock on the file also guards the folders beside it, and goes with the process, however it ends.
      database.pragma('locking_mode = EXCLUSIVE');
      // Looked at before anything is changed: the file may be somebody else's.
      const version = knownVersion(database, file);
      database.pragma('journal_mode = WAL');
      // FULL: what was answered as stored is still there after a power cut.
      database.pragma('synchronous = FULL');
      database.pragma('cache_size = -65536');
      database.pragma('temp_store = MEMORY');
      database.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
      database.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
      database.exec('BEGIN IMMEDIATE; COMMIT');
      // A new version of a table takes the place of the old one: only then do rows have to agree.
      database.pragma('foreign_keys = OFF');
      migrate(database, version);
      database.pragma('foreign_keys = ON');
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** The version of the schema that the file has; 0 for a new file. */
function knownVersion(database: Database.Database, file: string): number {
  const version = database.pragma('user_version', { simple: true }) as number;
  const isOurs = database.pragma('application_id', { simple: true }) === APPLICATION_ID;
  const isEmpty = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  if (!isOurs && !isEmpty) {
    throw new MetadataError('INDEX_CORRUPT', `${file} is another program's database: choose another storage.path`);
  }
  if (version > MIGRATIONS.length) {
    throw new MetadataError(
      'INDEX_TOO_NEW',
      `${file} has version ${version}; this program knows versions up to ${MIGRATIONS.length}: run the newer entrepot that wrote it`,
    );
  }
  return version;
}

function migrate(database: Database.Database, version: number): void {
  if (version === MIGRATIONS.length) return;
  for (const [position, statements] of MIGRATIONS.entries()) {
    if (position < version) continue;
    database.transaction(() => {
      database.exec(statements);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${position + 1}`);
    })();
  }
  database.pragma('wal_checkpoint(TRUNCATE)');
}
