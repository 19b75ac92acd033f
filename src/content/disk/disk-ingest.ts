import { open, stat } from 'node:fs/promises';
import { digestAlgorithm, digestHex, type Digest } from '../../oci/digest.ts';
import { IntervalSet } from '../../util/interval-set.ts';
import type { ContentFile, Ingest, ReadonlyPieces } from '../content-store.ts';
import { ContentError, isMissing, toContentError } from '../content-error.ts';
import type { FileHash, HashPool } from '../hashing/hash-pool.ts';
import { removeFile, renameDurably } from './durable.ts';
import type { Layout } from './layout.ts';
import { readLedger, writeLedger } from './ledger.ts';
import { readAt } from './read-at.ts';
import { SharedFile } from './shared-file.ts';

/** A crash loses the pieces that came after the last ledger: at most this many bytes, or this much time's worth. */
const LEDGER_BYTES = 8 * 1024 * 1024;
const LEDGER_MS = 100;
/** The hash worker is told of progress in steps of this size: a message for every packet would cost more than hashing. */
const HASH_STEP_BYTES = 1024 * 1024;

/** An ingest as a sparse file with a ledger beside it. */
export class DiskIngest implements Ingest {
  readonly digest: Digest;
  readonly #layout: Layout;
  readonly #file: SharedFile;
  readonly #hash: FileHash;
  readonly #have: IntervalSet;
  #totalBytes: number | undefined;
  #origin: string;
  #hashToldBytes = 0;
  #unloggedBytes = 0;
  #ledgerTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #ledgerWrite: Promise<void> = Promise.resolve();
  #isCommitted = false;
  #closed = false;

  private constructor(parts: {
    digest: Digest;
    layout: Layout;
    file: SharedFile;
    hash: FileHash;
    have: IntervalSet;
    totalBytes: number | undefined;
    origin: string;
  }) {
    this.digest = parts.digest;
    this.#layout = parts.layout;
    this.#file = parts.file;
    this.#hash = parts.hash;
    this.#have = parts.have;
    this.#totalBytes = parts.totalBytes;
    this.#origin = parts.origin;
    this.#tellHash();
  }

  /** Opens the pieces that are there, or starts with none. @throws ContentError */
  static async open(layout: Layout, digest: Digest, hashes: HashPool): Promise<DiskIngest> {
    try {
      const ledger = await readLedger(layout.ledger(digest));
      const writtenBytes = ledger ? await sizeOf(layout.part(digest)) : 0;
      const usable = ledger?.have.filter(([, end]) => end <= writtenBytes) ?? [];
      const handle = await open(layout.part(digest), ledger && usable.length > 0 ? 'r+' : 'w+');
      return new DiskIngest({
        digest,
        layout,
        file: new SharedFile(handle),
        hash: hashes.start(handle.fd, digestAlgorithm(digest)),
        have: new IntervalSet(usable),
        totalBytes: usable.length > 0 ? ledger?.totalBytes : undefined,
        origin: ledger?.origin ?? '',
      });
    } catch (error) {
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
    // After its end the file may be another ingest's, or content: nothing is written late.
    if (this.#closed) throw new ContentError('STORE_FAILED', `the ingest of ${this.digest} has ended`);
    let position = positionBytes;
    try {
      let rest = chunks;
      while (rest.length > 0) {
        const { bytesWritten } = await this.#file.handle.writev(rest, position);
        position += bytesWritten;
        rest = withoutFirst(rest, bytesWritten);
      }
    } catch (error) {
      throw toContentError(error, `cannot write the ingest of ${this.digest}`);
    }
    this.#have.add(positionBytes, position);
    this.#unloggedBytes += position - positionBytes;
    if (this.#have.endFrom(0) - this.#hashToldBytes >= HASH_STEP_BYTES) this.#tellHash();
    if (this.#unloggedBytes >= LEDGER_BYTES) this.#saveLedger();
    else this.#ledgerTimer ??= setTimeout(() => this.#saveLedger(), LEDGER_MS).unref();
  }

  openReader(): ContentFile {
    const file = this.#file;
    file.acquire();
    const sizeBytes = this.#totalBytes ?? Number.MAX_SAFE_INTEGER;
    return {
      sizeBytes,
      read: (buffer, position) => readAt(file.handle, buffer, position, this.digest),
      [Symbol.asyncDispose]: () => file.release(),
    };
  }

  async verify(): Promise<boolean> {
    const sizeBytes = this.#have.endFrom(0);
    return (await this.#hash.finish(sizeBytes)) === digestHex(this.digest);
  }

  async commit(): Promise<void> {
    try {
      // A file that an earlier life left longer than its ledger said.
      await this.#file.handle.truncate(this.#have.endFrom(0));
      await this.#file.handle.datasync();
      await renameDurably(this.#layout.part(this.digest), this.#layout.blob(this.digest));
      this.#isCommitted = true;
      clearTimeout(this.#ledgerTimer);
      await this.#ledgerWrite;
      await removeFile(this.#layout.ledger(this.digest));
    } catch (error) {
      throw toContentError(error, `cannot store ${this.digest}`);
    }
  }

  async discard(): Promise<void> {
    await this.#close();
    await removeFile(this.#layout.ledger(this.digest));
    await removeFile(this.#layout.part(this.digest));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#saveLedger();
    await this.#close();
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#ledgerTimer);
    await this.#writing;
    await this.#ledgerWrite;
    await this.#hash.stop();
    await this.#file.release();
  }

  #tellHash(): void {
    this.#hashToldBytes = this.#have.endFrom(0);
    if (this.#hashToldBytes > 0) this.#hash.advance(this.#hashToldBytes);
  }

  #saveLedger(): void {
    clearTimeout(this.#ledgerTimer);
    this.#ledgerTimer = undefined;
    if (this.#closed || this.#isCommitted || this.#totalBytes === undefined) return;
    this.#unloggedBytes = 0;
    const ledger = {
      version: 1,
      totalBytes: this.#totalBytes,
      origin: this.#origin,
      have: this.#have.toJSON(),
    } as const;
    // A ledger that cannot be written costs a resume after a crash, nothing else: the pieces' own writes report the disk.
    this.#ledgerWrite = this.#ledgerWrite
      .then(() => writeLedger(this.#layout.ledger(this.digest), ledger))
      .catch(() => undefined);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** What is left of the chunks after so many bytes: a disk may take fewer than it was given. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  return chunks.flatMap((chunk) => {
    const taken = Math.min(skip, chunk.length);
    skip -= taken;
    return taken < chunk.length ? [chunk.subarray(taken)] : [];
  });
}
