import { type FileHandle, open } from 'node:fs/promises';

/** What a file holds, or why it cannot be had. */
export type ReadText = { readonly text: string } | { readonly problem: string };

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'it is a directory, not a file',
  ELOOP: 'it is a symbolic link that leads nowhere',
  ENAMETOOLONG: 'its name is too long',
};

/** Reads UTF-8 text of at most `limitBytes`. A byte order mark is dropped. */
export async function readTextFile(path: string, limitBytes: number): Promise<ReadText> {
  try {
    await using file = await open(path, 'r');
    const bytes = await readAtMost(file, limitBytes + 1);
    if (bytes.length > limitBytes) return { problem: `it is larger than ${limitBytes / 1024} KiB` };
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    return { problem: whyUnreadable(error) };
  }
}

/** A sentence for what reading a file threw; throws on what is no such error. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === undefined) throw error;
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'it is not UTF-8 text';
  return REASONS[code] ?? `it cannot be read (${code})`;
}

/** Reads to the end, not to the size that the file claims: a pipe claims none. */
async function readAtMost(file: FileHandle, limitBytes: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(limitBytes);
  let length = 0;
  while (length < limitBytes) {
    const { bytesRead } = await file.read(buffer, length, limitBytes - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
