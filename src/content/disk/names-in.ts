import { readdir } from 'node:fs/promises';
import { isMissing, toContentError } from '../content-error.ts';

/** What a folder has, in order: nothing if it is not there. @throws ContentError */
export async function namesIn(path: string, kind: 'file' | 'folder' | 'any'): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => kind === 'any' || (kind === 'folder' ? entry.isDirectory() : entry.isFile()))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw toContentError(error, `cannot list ${path}`);
  }
}
