import { appendFile, mkdir, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What has a data directory. */
export interface DataDirectory {
  readonly path: string;
}

/** Where the store keeps a digest's bytes. */
export function fileOf({ path }: DataDirectory, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(path, 'blobs', algorithm, hex.slice(0, 2), hex);
}

/** The digests of all files below `blobs/`, in order. */
export async function storedDigests({ path }: DataDirectory): Promise<string[]> {
  const entries = await readdir(join(path, 'blobs'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ name, parentPath }) => `${parentPath.split('/').at(-2)}:${name}`)
    .toSorted();
}

/** The files of downloads under way and of interrupted ones. */
export async function ingestFiles({ path }: DataDirectory): Promise<string[]> {
  return (await readdir(join(path, 'ingest'))).toSorted();
}

/** The files that were put aside as damaged. */
export async function quarantinedFiles({ path }: DataDirectory): Promise<string[]> {
  return readdir(join(path, 'quarantine')).catch(() => []);
}

/** Something that befalls a stored file, as a test's name has it. */
export interface FileDamage {
  readonly name: string;
  /** Is there something left for its operator to look at? */
  readonly isPutAside: boolean;
  readonly befall: (file: string) => Promise<void>;
}

/** Damage that shows without hashing: by the file's size, its kind, its time, or because it is gone. */
export const VISIBLE_DAMAGE: readonly FileDamage[] = [
  {
    name: 'cut short',
    isPutAside: true,
    befall: async (file) => truncate(file, Math.floor((await stat(file)).size / 2)),
  },
  { name: 'emptied', isPutAside: true, befall: (file) => truncate(file, 0) },
  { name: 'removed', isPutAside: false, befall: (file) => rm(file) },
  { name: 'too long', isPutAside: true, befall: (file) => appendFile(file, 'more') },
  {
    name: 'replaced by other bytes later',
    isPutAside: true,
    befall: async (file) => {
      await writeFile(file, await otherBytes(file));
      const laterSeconds = Date.now() / 1000 + 10;
      await utimes(file, laterSeconds, laterSeconds);
    },
  },
  {
    name: 'replaced by a folder',
    isPutAside: false,
    befall: async (file) => {
      await rm(file);
      await mkdir(file);
    },
  },
  {
    name: 'replaced by a link to nowhere',
    isPutAside: false,
    befall: async (file) => {
      await rm(file);
      await symlink('/nowhere', file);
    },
  },
];

/** One other byte, and the time as it was: what a failing disk does. */
export async function rot(file: string): Promise<void> {
  const { atime, mtime } = await stat(file);
  await writeFile(file, await otherBytes(file));
  await utimes(file, atime, mtime);
}

/** The file's bytes but for one. */
export async function otherBytes(file: string): Promise<Buffer> {
  const bytes = await readFile(file);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}
