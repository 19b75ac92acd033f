import Database from 'better-sqlite3';
import { MetadataError } from '../metadata-error.ts';
import { MIGRATIONS } from './migrations.ts';
import { translated } from './translate-error.ts';

/** Marks the file as ours (SQLite's `PRAGMA application_id`): "entr" in ASCII. */
const APPLICATION_ID = 0x656e7472;
/** A predecessor that is ending has this long to let go of the file. */
const BUSY_MS = 2_000;
const PAGE_BYTES = 4096;
/** Written and thrown away at the start: the log then has space of its own, even when the disk is full. */
const LOG_RESERVE_BYTES = 128 * 1024;

/**
 * Opens the index, for this process alone, and brings its schema up to date.
 * @param logBytes once the write-ahead log is so large it goes into the database, which waits for the disk
 * @throws MetadataError in use, too new, damaged, read-only or full; the file is left as it was
 */
export function openDatabase(file: string, logBytes: number): Database.Database {
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
      database.pragma(`wal_autocheckpoint = ${Math.ceil(logBytes / PAGE_BYTES)}`);
      database.pragma(`journal_size_limit = ${logBytes}`);
      database.exec('BEGIN IMMEDIATE; COMMIT');
      // A new version of a table takes the place of the old one: only then do rows have to agree.
      database.pragma('foreign_keys = OFF');
      migrate(database, version);
      database.pragma('foreign_keys = ON');
      reserveLog(database, Math.min(LOG_RESERVE_BYTES, logBytes / 2));
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** What is evicted from a full disk has to be written down first. */
function reserveLog(database: Database.Database, bytes: number): void {
  database.pragma('synchronous = NORMAL');
  const fill = database.prepare(
    "INSERT OR REPLACE INTO note (key, value) VALUES ('log', replace(hex(zeroblob(?)), '0', ' '))",
  );
  try {
    fill.run(Math.floor(bytes / 2));
    database.exec("DELETE FROM note WHERE key = 'log'");
    database.pragma('wal_checkpoint(PASSIVE)');
  } catch (error) {
    // A disk that is full already: what is there can be served all the same.
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_FULL')) throw error;
  }
  database.pragma('synchronous = FULL');
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
