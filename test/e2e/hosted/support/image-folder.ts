import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../../support/bytes.ts';
import type { ImageParts } from '../../support/runnable-images.ts';

/** Writes an image or an index as the tools of "containers" read it from a `dir:`. */
export async function writeImageFolder(folder: string, { root, children, blobs }: ImageParts): Promise<void> {
  await mkdir(folder);
  const write = (name: string, bytes: Uint8Array | string) => writeFile(join(folder, name), bytes);
  await write('version', 'Directory Transport Version: 1.1\n');
  await write('manifest.json', root.bytes);
  for (const { digest, bytes } of children) await write(`${hexOf(digest)}.manifest.json`, bytes);
  for (const [digest, bytes] of blobs) await write(hexOf(digest), bytes);
}

/** The digests of what lies in a `dir:`, in order. */
export async function digestsInFolder(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name !== 'version');
  const digests = names.map(async (name) => sha256(await readFile(join(folder, name))));
  return (await Promise.all(digests)).toSorted();
}

function hexOf(digest: string): string {
  return digest.replace('sha256:', '');
}
