import type { FileHandle } from 'node:fs/promises';
import { digestAlgorithm, digestHex, type Digest } from '../../oci/digest.ts';
import { ContentError, toContentError } from '../content-error.ts';
import type { Upload } from '../content-store.ts';
import type { FollowingHash } from '../hashing/following-hash.ts';
import { removeFile } from './durable.ts';
import type { EarlySync } from './early-sync.ts';
import type { Folders } from './folders.ts';
import type { Hold } from './holds.ts';
import type { Layout } from './layout.ts';
import { type FoundUpload, removeUpload } from './upload-files.ts';
import { writeAll } from './write-all.ts';

/** The disk begins with what has come so far, and has not been begun with, when it is so much. */
const EARLY_SYNC_BYTES = 32 * 1024 * 1024;

/** What an upload works with. It closes the file and gives the hold back when it ends. */
export interface UploadSurroundings {
  readonly layout: Layout;
  readonly folders: Folders;
  readonly earlySync: EarlySync;
  readonly handle: FileHandle;
  readonly hash: FollowingHash;
  readonly hold: Hold;
}

/** An upload as a file that grows. */
export class DiskUpload implements Upload {
  readonly id: string;
  readonly note: string;
  readonly #surroundings: UploadSurroundings;
  #sizeBytes: number;
  #atMs: number;
  #lastAct: Promise<unknown> = Promise.resolve();
  #failedAppends = 0;
  /** Whether the file may be longer than what has arrived. */
  #isTooLong = false;
  #earlySyncedBytes = 0;
  #syncing: Promise<void> | undefined;
  /** The disk has lost bytes that it had taken. */
  #isSpoiled = false;
  #verified: { readonly digest: Digest; readonly sizeBytes: number } | undefined;
  #state: 'open' | 'failed' | 'over' = 'open';

  constructor(id: string, found: FoundUpload, surroundings: UploadSurroundings) {
    this.id = id;
    this.note = found.note;
    this.#sizeBytes = found.sizeBytes;
    this.#atMs = found.atMs;
    this.#surroundings = surroundings;
    surroundings.hash.advance(found.sizeBytes);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** When the last byte came, in ms since the epoch. */
  get atMs(): number {
    return this.#atMs;
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    const failedBefore = this.#failedAppends;
    return this.#inTurn(async () => {
      this.#refuseUnlessOpen();
      if (this.#failedAppends > failedBefore) {
        throw new ContentError(
          'STORE_FAILED',
          `bytes of upload ${this.id} did not arrive, so that those after them cannot`,
        );
      }
      await this.#append(chunks);
    });
  }

  async verify(digest: Digest): Promise<boolean> {
    await this.#lastAct;
    this.#refuseUnlessOpen();
    const sizeBytes = this.#sizeBytes;
    const hex = await this.#surroundings.hash.sum(digestAlgorithm(digest), sizeBytes);
    if (hex !== digestHex(digest)) return false;
    this.#verified = { digest, sizeBytes };
    return true;
  }

  commit(digest: Digest): Promise<void> {
    return this.#inTurn(async () => {
      this.#refuseUnlessOpen();
      if (this.#verified?.digest !== digest || this.#verified.sizeBytes !== this.#sizeBytes) {
        throw new ContentError('STORE_FAILED', `upload ${this.id} was not verified to be ${digest}`);
      }
      const { layout, folders, handle, hash, hold } = this.#surroundings;
      try {
        await this.#sync();
        await folders.place(layout.uploadData(this.id), layout.blob(digest));
      } catch (error) {
        // The file may be in its place already: nothing more is written to it.
        this.#state = 'failed';
        throw toContentError(error, `cannot store ${digest}`);
      }
      this.#state = 'over';
      // It is content now, whatever happens to the rest: a note without bytes is cleared away some day.
      await removeFile(layout.uploadNote(this.id)).catch(() => undefined);
      await hash.stop();
      await handle.close().catch(() => undefined);
      hold.release();
    });
  }

  async discard(): Promise<void> {
    await this.#end('discard');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('keep');
  }

  async #append(chunks: readonly Uint8Array[]): Promise<void> {
    const { handle, hash } = this.#surroundings;
    const start = this.#sizeBytes;
    let end: number;
    try {
      end = await writeAll(handle, chunks, start);
    } catch (error) {
      this.#failedAppends += 1;
      await this.#cut();
      throw toContentError(error, `cannot write upload ${this.id}`);
    }
    if (end === start) return;
    this.#sizeBytes = end;
    this.#atMs = Date.now();
    hash.advance(end);
    this.#syncEarly();
  }

  /** Takes away what lies behind the bytes that have arrived. */
  async #cut(): Promise<void> {
    this.#isTooLong = true;
    try {
      await this.#surroundings.handle.truncate(this.#sizeBytes);
      this.#isTooLong = false;
    } catch {
      // The next bytes overwrite it, and commit tries again.
    }
  }

  #syncEarly(): void {
    const { earlySync, handle } = this.#surroundings;
    if (this.#syncing || this.#sizeBytes - this.#earlySyncedBytes < EARLY_SYNC_BYTES) return;
    const begun = earlySync.begin(handle);
    if (!begun) return;
    this.#earlySyncedBytes = this.#sizeBytes;
    this.#syncing = begun
      .catch(() => {
        this.#isSpoiled = true;
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  async #sync(): Promise<void> {
    const { handle } = this.#surroundings;
    if (this.#isTooLong) await handle.truncate(this.#sizeBytes);
    await this.#syncing;
    this.#refuseUnlessOpen();
    try {
      await handle.datasync();
    } catch (error) {
      // The system forgets what it could not write, and says so only once.
      this.#isSpoiled = true;
      throw error;
    }
  }

  async #end(bytes: 'keep' | 'discard'): Promise<void> {
    const { layout, handle, hash, hold } = this.#surroundings;
    hold.endSoon();
    // Not in turn: whoever waits for a sum is told at once.
    const stopped = hash.stop();
    await this.#inTurn(async () => {
      if (this.#state === 'over') return;
      this.#state = 'over';
      try {
        await stopped;
        await this.#syncing;
        await handle.close();
        if (bytes === 'discard' || this.#isSpoiled) await removeUpload(layout, this.id);
      } catch (error) {
        throw toContentError(error, `cannot end upload ${this.id}`);
      } finally {
        hold.release();
      }
    });
  }

  #refuseUnlessOpen(): void {
    if (this.#state !== 'open') throw new ContentError('STORE_FAILED', `upload ${this.id} is over`);
    if (this.#isSpoiled) throw new ContentError('STORE_FAILED', `the disk has lost bytes of upload ${this.id}`);
  }

  #inTurn<Value>(act: () => Promise<Value>): Promise<Value> {
    const done = this.#lastAct.then(act);
    this.#lastAct = done.catch(() => undefined);
    return done;
  }
}
