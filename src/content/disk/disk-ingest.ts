import { open } from 'node:fs/promises';
import { digestAlgorithm, digestHex, type Digest } from '../../oci/digest.ts';
import { IntervalSet } from '../../util/interval-set.ts';
import type { ContentFile, Ingest, ReadonlyPieces } from '../content-store.ts';
import { ContentError, toContentError } from '../content-error.ts';
import type { HashPool } from '../hashing/hash-pool.ts';
import { passBytes } from '../hashing/pass-bytes.ts';
import type { ContentHash } from '../hashing/running-hash.ts';
import { removeFile } from './durable.ts';
import type { Folders } from './folders.ts';
import type { Hold } from './holds.ts';
import type { Layout } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { LedgerKeeper } from './ledger-keeper.ts';
import { findPieces, type Pieces, removePieces } from './pieces.ts';
import { readAt } from './read-at.ts';
import { SharedFile } from './shared-file.ts';
import { writeAll } from './write-all.ts';

/** The hash worker is told of progress in steps of this size: a message for every packet would cost more than hashing. */
const HASH_STEP_BYTES = 1024 * 1024;

/** What an ingest works with. It gives the hold back when it ends. */
export interface IngestSurroundings {
  readonly layout: Layout;
  readonly folders: Folders;
  readonly hashes: HashPool;
  readonly hold: Hold;
}

/** An ingest as a sparse file with a ledger beside it. */
export class DiskIngest implements Ingest {
  readonly digest: Digest;
  readonly #surroundings: IngestSurroundings;
  readonly #file: SharedFile;
  readonly #hash: ContentHash;
  readonly #ledger: LedgerKeeper;
  readonly #have: IntervalSet;
  /** What of it is in the file. */
  #written: IntervalSet;
  #totalBytes: number | undefined;
  #origin: string;
  #hashToldBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #hasPassed = false;
  #isCommitted = false;
  #closed = false;

  private constructor(
    digest: Digest,
    parts: { file: SharedFile; hash: ContentHash; pieces: Pieces | undefined },
    surroundings: IngestSurroundings,
  ) {
    this.digest = digest;
    this.#surroundings = surroundings;
    this.#file = parts.file;
    this.#hash = parts.hash;
    this.#have = new IntervalSet(parts.pieces?.have);
    this.#written = new IntervalSet(parts.pieces?.have);
    this.#totalBytes = parts.pieces?.ledger.totalBytes;
    this.#origin = parts.pieces?.ledger.origin ?? '';
    this.#ledger = new LedgerKeeper(surroundings.layout.ledger(digest), () => this.#currentLedger());
    this.#tellHash();
  }

  /** Opens the pieces that are there, or starts with none. @throws ContentError, and gives the hold back then */
  static async open(digest: Digest, surroundings: IngestSurroundings): Promise<DiskIngest> {
    const { layout, folders, hashes, hold } = surroundings;
    try {
      const pieces = await findPieces(layout, digest);
      // A ledger would speak of bytes that the file no longer has; and somebody may have put something else in their place.
      if (!pieces) await removePieces(layout, digest);
      const handle = await folders.within(layout.ingests, () => open(layout.part(digest), pieces ? 'r+' : 'w+'));
      const file = new SharedFile(handle);
      try {
        const hash = hashes.start(handle.fd, digestAlgorithm(digest));
        return new DiskIngest(digest, { file, hash, pieces }, surroundings);
      } catch (error) {
        await file.release();
        throw error;
      }
    } catch (error) {
      hold.release();
      throw toContentError(error, `cannot start the ingest of ${digest}`);
    }
  }

  get have(): ReadonlyPieces {
    return this.#have;
  }

  get totalBytes(): number | undefined {
    return this.#totalBytes;
  }

  describe(totalBytes: number, origin: string): void {
    this.#totalBytes = totalBytes;
    this.#origin = origin;
  }

  write(chunks: readonly Uint8Array[], positionBytes: number): Promise<void> {
    // One at a time: the kernel locks the file for each, and writers that wait for it hold the threads that readers need.
    const written = this.#writing.then(() => this.#write(chunks, positionBytes));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #write(chunks: readonly Uint8Array[], positionBytes: number): Promise<void> {
    this.#refuseIfClosed();
    let position: number;
    try {
      position = await writeAll(this.#file.handle, chunks, positionBytes);
    } catch (error) {
      throw toContentError(error, `cannot write the ingest of ${this.digest}`);
    }
    this.#have.add(positionBytes, position);
    this.#written.add(positionBytes, position);
    if (this.#have.endFrom(0) - this.#hashToldBytes >= HASH_STEP_BYTES) this.#tellHash();
    this.#ledger.noteWritten(position - positionBytes);
  }

  pass(chunks: readonly Uint8Array[], positionBytes: number): void {
    this.#refuseIfClosed();
    if (passBytes(this.#hash, this.#have, chunks, positionBytes) > 0) this.#hasPassed = true;
  }

  openReader(): ContentFile {
    const file = this.#file;
    file.acquire();
    const sizeBytes = this.#totalBytes ?? Number.MAX_SAFE_INTEGER;
    return {
      sizeBytes,
      modifiedAtMs: undefined,
      read: (buffer, position) => readAt(file.handle, buffer, position, this.digest),
      [Symbol.asyncDispose]: () => file.release(),
    };
  }

  async verify(): Promise<boolean> {
    const sizeBytes = this.#have.endFrom(0);
    return (await this.#hash.finish(sizeBytes)) === digestHex(this.digest);
  }

  async commit(): Promise<void> {
    if (this.#hasPassed) throw new ContentError('STORE_FAILED', `not all of ${this.digest} was kept`);
    const { layout, folders, hold } = this.#surroundings;
    try {
      await this.#sync();
      await folders.place(layout.part(this.digest), layout.blob(this.digest));
    } catch (error) {
      throw toContentError(error, `cannot store ${this.digest}`);
    }
    this.#isCommitted = true;
    await this.#ledger.end();
    // Without its pieces it is cleared away some day.
    await removeFile(layout.ledger(this.digest)).catch(() => undefined);
    hold.release();
  }

  async discard(): Promise<void> {
    await this.#end('discard');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('keep');
  }

  async #end(pieces: 'keep' | 'discard'): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { hold } = this.#surroundings;
    hold.endSoon();
    try {
      await this.#writing;
      this.#ledger.save();
      await this.#ledger.end();
      await this.#hash.stop();
      await this.#file.release();
      // Of pieces whose size nobody knows nothing can be made.
      const areUseful = this.#written.size > 0 && this.#totalBytes !== undefined;
      if (!this.#isCommitted && (pieces === 'discard' || !areUseful)) {
        await removePieces(this.#surroundings.layout, this.digest);
      }
    } catch (error) {
      throw toContentError(error, `cannot end the ingest of ${this.digest}`);
    } finally {
      hold.release();
    }
  }

  async #sync(): Promise<void> {
    try {
      // A file that an earlier life left longer than its ledger said.
      await this.#file.handle.truncate(this.#have.endFrom(0));
      await this.#file.handle.datasync();
    } catch (error) {
      // The system forgets what it could not write, and says so only once: these pieces are not to be trusted again.
      this.#written = new IntervalSet();
      throw error;
    }
  }

  #refuseIfClosed(): void {
    // After its end the file may be another ingest's, or content: nothing is written late.
    if (this.#closed) throw new ContentError('STORE_FAILED', `the ingest of ${this.digest} has ended`);
  }

  #tellHash(): void {
    this.#hashToldBytes = this.#have.endFrom(0);
    if (this.#hashToldBytes > 0) this.#hash.advance(this.#hashToldBytes);
  }

  #currentLedger(): Ledger | undefined {
    if (this.#totalBytes === undefined || this.#isCommitted) return undefined;
    return { version: 1, totalBytes: this.#totalBytes, origin: this.#origin, have: this.#written.toJSON() };
  }
}
