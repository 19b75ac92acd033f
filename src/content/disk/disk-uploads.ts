import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import { isMissing, toContentError } from '../content-error.ts';
import type { Upload, UploadState } from '../content-store.ts';
import { FollowingHash } from '../hashing/following-hash.ts';
import type { HashPool } from '../hashing/hash-pool.ts';
import { DiskUpload } from './disk-upload.ts';
import { EarlySync } from './early-sync.ts';
import type { Folders } from './folders.ts';
import { type Hold, Holds } from './holds.ts';
import { isUploadId, type Layout, uploadIdOf } from './layout.ts';
import { namesIn } from './names-in.ts';
import { findUpload, type FoundUpload, removeUpload, writeUploadNote } from './upload-files.ts';

/** What uploads work with. */
export interface UploadsSurroundings {
  readonly layout: Layout;
  readonly folders: Folders;
  readonly hashes: HashPool;
}

/** The uploads of a store, open or not: the bytes of each in a file, with a note beside it. */
export class DiskUploads {
  readonly #surroundings: UploadsSurroundings;
  readonly #holds = new Holds<string>('upload');
  readonly #earlySync = new EarlySync();
  readonly #open = new Map<string, DiskUpload>();

  constructor(surroundings: UploadsSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Whether somebody works on its files: also while it begins or ends. */
  isOpen(id: string): boolean {
    return this.#holds.has(id);
  }

  async start(note: string, algorithm: DigestAlgorithm): Promise<Upload> {
    const { layout, folders } = this.#surroundings;
    const id = randomBytes(16).toString('hex');
    const hold = await this.#holds.take(id);
    try {
      const handle = await folders.within(layout.uploads, () => open(layout.uploadData(id), 'wx+'));
      return await closingOnFailure(handle, async () => {
        await writeUploadNote(layout, id, { version: 1, note, algorithm });
        return this.#enter(id, { note, algorithm, sizeBytes: 0, atMs: Date.now() }, { handle, hold });
      });
    } catch (error) {
      await removeUpload(layout, id).catch(() => undefined);
      hold.release();
      throw toContentError(error, 'cannot start an upload');
    }
  }

  async resume(id: string): Promise<Upload | undefined> {
    const { layout } = this.#surroundings;
    const hold = await this.#takeFound(id);
    if (!hold) return undefined;
    try {
      const handle = await open(layout.uploadData(id), 'r+');
      return await closingOnFailure(handle, async () => {
        // An upload that ended meanwhile took its note along.
        const found = await findUpload(layout, id);
        if (found) return this.#enter(id, found, { handle, hold });
        await handle.close();
        hold.release();
        return undefined;
      });
    } catch (error) {
      hold.release();
      if (isMissing(error)) return undefined;
      throw toContentError(error, `cannot go on with upload ${id}`);
    }
  }

  async list(): Promise<UploadState[]> {
    const { layout } = this.#surroundings;
    const states: UploadState[] = [];
    const names = await namesIn(layout.uploads, 'file');
    for (const id of new Set(names.flatMap((name) => uploadIdOf(name) ?? []))) {
      const found = await this.#find(id);
      if (!found) continue;
      // Of an open one its file may have more than has arrived.
      const { note, sizeBytes, atMs } = this.#open.get(id) ?? found;
      states.push({ id, note, sizeBytes, atMs, isOpen: this.isOpen(id) });
    }
    return states;
  }

  async discard(id: string): Promise<void> {
    const hold = await this.#takeFound(id);
    if (!hold) return;
    hold.endSoon();
    try {
      await removeUpload(this.#surroundings.layout, id);
    } catch (error) {
      throw toContentError(error, `cannot throw away upload ${id}`);
    } finally {
      hold.release();
    }
  }

  /** The right to work on it; undefined if there is none. @throws ContentError it is open */
  async #takeFound(id: string): Promise<Hold | undefined> {
    // Asked first: whoever asks for one that is not there keeps nobody else from asking.
    return isUploadId(id) && (await this.#find(id)) ? this.#holds.take(id) : undefined;
  }

  async #find(id: string): Promise<FoundUpload | undefined> {
    try {
      return await findUpload(this.#surroundings.layout, id);
    } catch (error) {
      throw toContentError(error, `cannot look at upload ${id}`);
    }
  }

  #enter(id: string, found: FoundUpload, held: { handle: FileHandle; hold: Hold }): DiskUpload {
    const { handle, hold } = held;
    const hash = new FollowingHash(this.#surroundings.hashes, handle.fd, found.algorithm);
    const upload = new DiskUpload(id, found, {
      ...this.#surroundings,
      earlySync: this.#earlySync,
      handle,
      hash,
      hold: {
        endSoon: () => hold.endSoon(),
        release: () => {
          this.#open.delete(id);
          hold.release();
        },
      },
    });
    this.#open.set(id, upload);
    return upload;
  }
}

async function closingOnFailure<Value>(handle: FileHandle, act: () => Promise<Value>): Promise<Value> {
  try {
    return await act();
  } catch (error) {
    await handle.close();
    throw error;
  }
}
