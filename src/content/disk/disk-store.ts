import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, open, readdir, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../oci/digest.ts';
import type { ContentFile, ContentStore, Ingest } from '../content-store.ts';
import { isMissing, toContentError } from '../content-error.ts';
import { HashPool } from '../hashing/hash-pool.ts';
import { DiskIngest } from './disk-ingest.ts';
import { removeFile, renameDurably } from './durable.ts';
import { ingestDigest, Layout } from './layout.ts';
import { readAt } from './read-at.ts';
import { readLedger } from './ledger.ts';

/** The store as files named after their digests. One process at a time: the index beside it holds the lock. */
export class DiskStore implements ContentStore {
  readonly #root: string;
  readonly #layout: Layout;
  readonly #hashes = new HashPool();

  private constructor(root: string) {
    this.#root = root;
    this.#layout = new Layout(root);
  }

  /** Makes the folders where they are missing. @throws ContentError */
  static async open(root: string): Promise<DiskStore> {
    const store = new DiskStore(root);
    try {
      await mkdir(store.#layout.ingests, { recursive: true });
      for (const algorithm of ['sha256', 'sha512']) {
        const folders = Array.from({ length: 256 }, (_, number) => number.toString(16).padStart(2, '0'));
        await Promise.all(
          folders.map((name) => mkdir(join(store.#layout.blobs, algorithm, name), { recursive: true })),
        );
      }
      return store;
    } catch (error) {
      throw toContentError((await refusalOf(root)) ?? error, `cannot prepare ${root}`);
    }
  }

  async open(digest: Digest): Promise<ContentFile | undefined> {
    try {
      const handle = await open(this.#layout.blob(digest), 'r');
      const { size: sizeBytes } = await handle.stat();
      return {
        sizeBytes,
        read: (buffer, position) => readAt(handle, buffer, position, digest),
        [Symbol.asyncDispose]: () => handle.close(),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw toContentError(error, `cannot read ${digest}`);
    }
  }

  async *list(): AsyncIterable<Digest> {
    for (const algorithm of await this.#names('folder', this.#layout.blobs)) {
      const folders = join(this.#layout.blobs, algorithm);
      for (const folder of await this.#names('folder', folders)) {
        for (const name of await this.#names('file', join(folders, folder))) {
          const digest = parseDigest(`${algorithm}:${name}`);
          if (digest && digestHex(digest).startsWith(folder)) yield digest;
        }
      }
    }
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#root);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch (error) {
      throw toContentError(error, `cannot measure the disk of ${this.#root}`);
    }
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.#layout.ingests, `put-${randomBytes(8).toString('hex')}.tmp`);
    try {
      const handle = await open(temporary, 'wx');
      try {
        await handle.writeFile(bytes);
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await renameDurably(temporary, this.#layout.blob(digest));
    } catch (error) {
      await removeFile(temporary).catch(() => undefined);
      throw toContentError(error, `cannot store ${digest}`);
    }
  }

  async remove(digest: Digest): Promise<void> {
    try {
      await removeFile(this.#layout.blob(digest));
    } catch (error) {
      throw toContentError(error, `cannot remove ${digest}`);
    }
  }

  ingest(digest: Digest): Promise<Ingest> {
    return DiskIngest.open(this.#layout, digest, this.#hashes);
  }

  async interrupted(): Promise<{ digest: Digest; origin: string }[]> {
    const names = new Set(await this.#names('any', this.#layout.ingests));
    const found: { digest: Digest; origin: string }[] = [];
    try {
      for (const name of names) {
        const digest = name.endsWith('.json') ? ingestDigest(name) : undefined;
        if (!digest || !names.has(basename(this.#layout.part(digest)))) continue;
        const ledger = await readLedger(this.#layout.ledger(digest));
        if (ledger) found.push({ digest, origin: ledger.origin });
      }
      const resumable = new Set(found.map(({ digest }) => digest));
      for (const name of names) {
        const digest = ingestDigest(name);
        // Without a ledger nothing says which bytes were written, and without pieces a ledger says nothing.
        if (!digest || !resumable.has(digest))
          await rm(join(this.#layout.ingests, name), { recursive: true, force: true });
      }
      return found;
    } catch (error) {
      throw toContentError(error, 'cannot read the interrupted ingests');
    }
  }

  async verify(digest: Digest): Promise<boolean> {
    let handle;
    try {
      handle = await open(this.#layout.blob(digest), 'r');
    } catch (error) {
      if (isMissing(error)) return false;
      throw toContentError(error, `cannot read ${digest}`);
    }
    try {
      const { size } = await handle.stat();
      return (await this.#hashes.start(handle.fd, digestAlgorithm(digest)).finish(size)) === digestHex(digest);
    } finally {
      await handle.close();
    }
  }

  /** What a folder has, in order. */
  async #names(kind: 'file' | 'folder' | 'any', path: string): Promise<string[]> {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return entries
        .filter((entry) => kind === 'any' || (kind === 'folder' ? entry.isDirectory() : entry.isFile()))
        .map((entry) => entry.name)
        .sort();
    } catch (error) {
      throw toContentError(error, `cannot list ${path}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#hashes[Symbol.asyncDispose]();
  }
}

/** Why a folder, or the nearest one above it that is there, cannot be written: making folders tells it in a roundabout way. */
async function refusalOf(path: string): Promise<unknown> {
  try {
    await access(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return isMissing(error) && dirname(path) !== path ? refusalOf(dirname(path)) : error;
  }
}
