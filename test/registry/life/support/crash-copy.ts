import {
  closeSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const ZEROS = Buffer.alloc(4096);
/**
 * What speaks of other files comes before them: whatever is renamed or written while we copy, the copy then has bytes for
 * what it says, as it would after a kill.
 */
const ORDER = ['index.sqlite', 'index.sqlite-wal', 'ingest', 'blobs', 'quarantine'];

/** Copies a data directory in one go, without letting the program in this process do anything meanwhile. */
export function crashCopy(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const others = readdirSync(from).filter((name) => !ORDER.includes(name));
  for (const name of [...ORDER, ...others]) copyIfThere(join(from, name), join(to, name));
}

function copyIfThere(from: string, to: string): void {
  try {
    if (statSync(from).isDirectory()) copyFolder(from, to);
    else copyFile(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  // Ledgers (`.json`) before what they speak of (`.part`).
  for (const name of readdirSync(from).toSorted()) copyIfThere(join(from, name), join(to, name));
}

/** Holes stay holes, which take no space, and times stay what they are. */
function copyFile(from: string, to: string): void {
  const { atime, mtime } = statSync(from);
  const bytes = readFileSync(from);
  const file = openSync(to, 'w');
  for (let start = 0; start < bytes.length; start += ZEROS.length) {
    const block = bytes.subarray(start, start + ZEROS.length);
    if (!block.equals(ZEROS.subarray(0, block.length))) writeSync(file, block, 0, block.length, start);
  }
  ftruncateSync(file, bytes.length);
  futimesSync(file, atime, mtime);
  closeSync(file);
}
