import { readdir } from 'node:fs/promises';
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
