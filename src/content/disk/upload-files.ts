import { readFile, rm, writeFile } from 'node:fs/promises';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import { ContentError, isShortage } from '../content-error.ts';
import { fileStats } from './file-stats.ts';
import type { Layout } from './layout.ts';

/** What stands beside the bytes of an upload. */
interface UploadNote {
  readonly version: 1;
  /** The word of who started it. */
  readonly note: string;
  /** What its digest will probably be of. */
  readonly algorithm: DigestAlgorithm;
}

/** An upload as it lies on the disk. */
export interface FoundUpload {
  readonly note: string;
  readonly algorithm: DigestAlgorithm;
  readonly sizeBytes: number;
  /** When the last byte came, in ms since the epoch. */
  readonly atMs: number;
}

/** A note larger than this is not ours. */
const MAX_NOTE_BYTES = 64 * 1024;

/**
 * Writes it in one go: half of it, after a crash, is none. It need not outlast a power cut, which the bytes may not outlast
 * either.
 */
export async function writeUploadNote(layout: Layout, id: string, note: UploadNote): Promise<void> {
  const text = JSON.stringify(note);
  if (Buffer.byteLength(text) > MAX_NOTE_BYTES) throw new ContentError('STORE_FAILED', 'the note is too long');
  await writeFile(layout.uploadNote(id), text, { flag: 'wx' });
}

/** Undefined when there is none that can be gone on with. @throws errors of the file system */
export async function findUpload(layout: Layout, id: string): Promise<FoundUpload | undefined> {
  const [data, written] = await Promise.all([fileStats(layout.uploadData(id)), fileStats(layout.uploadNote(id))]);
  if (!data || !written || written.size > MAX_NOTE_BYTES) return undefined;
  const note = await readUploadNote(layout.uploadNote(id));
  if (!note) return undefined;
  const atMs = Math.floor(Math.max(data.mtimeMs, written.mtimeMs));
  return { note: note.note, algorithm: note.algorithm, sizeBytes: data.size, atMs };
}

/** @throws errors of the file system */
export async function removeUpload(layout: Layout, id: string): Promise<void> {
  // Without its note it is none: a crash in between leaves debris.
  for (const path of [layout.uploadNote(id), layout.uploadData(id)]) await rm(path, { force: true });
}

async function readUploadNote(path: string): Promise<UploadNote | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isUploadNote(value) ? value : undefined;
  } catch (error) {
    if (isShortage(error)) throw error;
    // Gone, broken or unreadable.
    return undefined;
  }
}

function isUploadNote(value: unknown): value is UploadNote {
  if (typeof value !== 'object' || value === null) return false;
  const { version, note, algorithm } = value as Partial<Record<keyof UploadNote, unknown>>;
  return version === 1 && typeof note === 'string' && (algorithm === 'sha256' || algorithm === 'sha512');
}
