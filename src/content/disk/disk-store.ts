import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, mkdir, open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, digestHex, parseDigest, type Digest, type DigestAlgorithm } from '../../oci/digest.ts';
import type {
  ContentFile,
  ContentStore,
  Debris,
  Ingest,
  InterruptedIngest,
  Upload,
  UploadState,
  Verdict,
} from '../content-store.ts';
import { isMissing, isShortage, toContentError } from '../content-error.ts';
import { hashAtPace } from '../hashing/hash-at-pace.ts';
import { HashPool } from '../hashing/hash-pool.ts';
import { PassThroughIngest } from '../hashing/pass-through-ingest.ts';
import { UnreadableError } from '../hashing/running-hash.ts';
import { Condemned } from './condemned.ts';
import { type DebrisRules, listDebris, removeDebris } from './debris.ts';
import { DiskIngest } from './disk-ingest.ts';
import { DiskUploads } from './disk-uploads.ts';
import { makeFolderDurably, removeContent, removeFile } from './durable.ts';
import { Folders } from './folders.ts';
import { Holds } from './holds.ts';
import { findInterrupted } from './interrupted-ingests.ts';
import { ingestDigest, Layout, uploadIdOf } from './layout.ts';
import { namesIn } from './names-in.ts';
import { removePieces } from './pieces.ts';
import { quarantine } from './quarantine.ts';
import { readAt } from './read-at.ts';
import { refusalOf } from './refusal-of.ts';

/** `blobs/<algorithm>/<2 hex>` */
const BLOB_DEPTH = 2;

/** The store as files named after their digests. One process at a time: the index beside it holds the lock. */
export class DiskStore implements ContentStore {
  readonly #root: string;
  readonly #layout: Layout;
  readonly #folders: Folders;
  readonly #hashes = new HashPool();
  readonly #holds = new Holds<Digest>('an ingest of');
  readonly #uploads: DiskUploads;
  /** Names of temporary files that `put` writes to at the moment. */
  readonly #putting = new Set<string>();
  readonly #debrisRules: DebrisRules;
  readonly #condemned = new Condemned();
  #quarantining: Promise<void> = Promise.resolve();

  private constructor(root: string) {
    this.#root = root;
    this.#layout = new Layout(root);
    this.#folders = new Folders(this.#layout.root);
    this.#uploads = new DiskUploads({ layout: this.#layout, folders: this.#folders, hashes: this.#hashes });
    this.#debrisRules = {
      layout: this.#layout,
      openedAtMs: Date.now(),
      isInUse: (fileName) => {
        const upload = uploadIdOf(fileName);
        if (upload !== undefined) return this.#uploads.isOpen(upload);
        const digest = ingestDigest(fileName.replace(/\.tmp$/, ''));
        return this.#putting.has(fileName) || (digest !== undefined && this.#holds.has(digest));
      },
    };
  }

  /** Makes the folder where it is missing; those of content come when they are needed. @throws ContentError */
  static async open(root: string): Promise<DiskStore> {
    const store = new DiskStore(root);
    try {
      await makeFolderDurably(root);
      const { blobs, ingests } = store.#layout;
      for (const folder of [blobs, ingests]) await mkdir(folder, { recursive: true });
      await store.#folders.measure([store.#layout.root]);
      await store.#folders.measure([blobs], BLOB_DEPTH);
      await store.#measureOthers();
      return store;
    } catch (error) {
      throw toContentError((await refusalOf(root)) ?? error, `cannot prepare ${root}`);
    }
  }

  async open(digest: Digest): Promise<ContentFile | undefined> {
    try {
      const path = this.#layout.blob(digest);
      if (await this.#condemned.has(digest, path)) return undefined;
      const { handle, stats } = await openWithStats(path);
      return {
        sizeBytes: stats.size,
        modifiedAtMs: Math.floor(Math.max(stats.mtimeMs, stats.ctimeMs)),
        read: (buffer, position) => readAt(handle, buffer, position, digest),
        [Symbol.asyncDispose]: () => handle.close(),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw toContentError(error, `cannot read ${digest}`);
    }
  }

  async *list(): AsyncIterable<Digest> {
    for (const algorithm of await namesIn(this.#layout.blobs, 'folder')) {
      const folders = join(this.#layout.blobs, algorithm);
      for (const folder of await namesIn(folders, 'folder')) {
        for (const name of await namesIn(join(folders, folder), 'file')) {
          const digest = parseDigest(`${algorithm}:${name}`);
          if (digest && digestHex(digest).startsWith(folder)) yield digest;
        }
      }
    }
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number; folderBytes: number }> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#root);
      const folderBytes = this.#folders.bytes + this.#condemned.bytes;
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, folderBytes };
    } catch (error) {
      throw toContentError(error, `cannot measure the disk of ${this.#root}`);
    }
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const name = `put-${randomBytes(8).toString('hex')}.tmp`;
    const temporary = join(this.#layout.ingests, name);
    this.#putting.add(name);
    try {
      const handle = await this.#folders.within(this.#layout.ingests, () => open(temporary, 'wx'));
      try {
        await handle.writeFile(bytes);
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await this.#folders.place(temporary, this.#layout.blob(digest));
    } catch (error) {
      await removeFile(temporary).catch(() => undefined);
      throw toContentError(error, `cannot store ${digest}`);
    } finally {
      this.#putting.delete(name);
    }
  }

  async remove(digest: Digest): Promise<void> {
    try {
      await removeContent(this.#layout.blob(digest));
    } catch (error) {
      throw toContentError(error, `cannot remove ${digest}`);
    }
  }

  async ingest(digest: Digest): Promise<Ingest> {
    const hold = await this.#holds.take(digest);
    return DiskIngest.open(digest, { layout: this.#layout, folders: this.#folders, hashes: this.#hashes, hold });
  }

  passThrough(digest: Digest): Ingest {
    return new PassThroughIngest(digest, this.#hashes.start(undefined, digestAlgorithm(digest)));
  }

  startUpload(note: string, algorithm: DigestAlgorithm = 'sha256'): Promise<Upload> {
    return this.#uploads.start(note, algorithm);
  }

  resumeUpload(id: string): Promise<Upload | undefined> {
    return this.#uploads.resume(id);
  }

  listUploads(): Promise<UploadState[]> {
    return this.#uploads.list();
  }

  discardUpload(id: string): Promise<void> {
    return this.#uploads.discard(id);
  }

  async verify(digest: Digest, pace: { bytesPerSecond?: number; signal?: AbortSignal } = {}): Promise<Verdict> {
    pace.signal?.throwIfAborted();
    const path = this.#layout.blob(digest);
    let opened;
    try {
      if (await this.#condemned.has(digest, path)) return 'missing';
      opened = await openWithStats(path);
    } catch (error) {
      if (isMissing(error)) return 'missing';
      if (isShortage(error)) throw toContentError(error, `cannot read ${digest}`);
      return 'damaged';
    }
    const { handle, stats } = opened;
    let hash;
    try {
      if (!stats.isFile()) return 'damaged';
      hash = this.#hashes.start(handle.fd, digestAlgorithm(digest));
      return (await hashAtPace(hash, stats.size, pace)) === digestHex(digest) ? 'intact' : 'damaged';
    } catch (error) {
      if (error instanceof UnreadableError) return 'damaged';
      throw error;
    } finally {
      await hash?.stop();
      await handle.close();
    }
  }

  quarantine(digest: Digest): Promise<void> {
    // One at a time: the folder holds only so much.
    const parts = { layout: this.#layout, folders: this.#folders, condemned: this.#condemned };
    const done = this.#quarantining.then(() => quarantine(parts, digest));
    this.#quarantining = done.catch(() => undefined);
    return done;
  }

  interrupted(): Promise<InterruptedIngest[]> {
    return findInterrupted(this.#layout, this.#holds);
  }

  async discardInterrupted(digest: Digest): Promise<void> {
    const hold = await this.#holds.take(digest);
    hold.endSoon();
    try {
      await removePieces(this.#layout, digest);
    } catch (error) {
      throw toContentError(error, `cannot throw away the ingest of ${digest}`);
    } finally {
      hold.release();
    }
  }

  async debris(): Promise<Debris[]> {
    await this.#measureOthers();
    return listDebris(this.#debrisRules);
  }

  removeDebris(name: string): Promise<void> {
    return removeDebris(this.#debrisRules, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#quarantining;
    await this.#hashes[Symbol.asyncDispose]();
  }

  /** Of the other folders, which grow with what is under way. */
  async #measureOthers(): Promise<void> {
    const { ingests, uploads, quarantine: aside } = this.#layout;
    await this.#folders.measure([ingests, uploads, aside]);
  }
}

async function openWithStats(path: string): Promise<{ handle: FileHandle; stats: Stats }> {
  const handle = await open(path, 'r');
  try {
    return { handle, stats: await handle.stat() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
