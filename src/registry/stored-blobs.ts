import { LRUCache } from 'lru-cache';
import { ContentError } from '../content/content-error.ts';
import type { ContentFile, ContentStore } from '../content/content-store.ts';
import type { BlobRow, MetadataIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/repository.ts';
import { SingleFlight } from '../util/single-flight.ts';
import { type BlobReading, MendedBlob } from './mended-blob.ts';
import type { OpenBlob } from './open-blob.ts';
import type { Finding, LostContent } from './upkeep/lost-content.ts';

export interface StoredBlobsOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly lost: LostContent;
}

/** Where a reader goes on whose file failed it in the middle. */
export type ReopenBlob = (failure: unknown, positionBytes: number) => Promise<BlobReading>;

const MAX_CHECKED = 100_000;

/** Blobs that are in the store: as files that are what they should be. */
export class StoredBlobs {
  readonly #options: StoredBlobsOptions;
  readonly #checks = new SingleFlight<Finding>();
  /** When files had been written to that were found intact nevertheless. */
  readonly #checked = new LRUCache<Digest, number>({ max: MAX_CHECKED });

  constructor(options: StoredBlobsOptions) {
    this.#options = options;
  }

  /** For a client that may have it. Undefined when its file is not there or not right, which the index knows afterwards. */
  async open(repository: Repository, digest: Digest, row: BlobRow, reopen: ReopenBlob): Promise<OpenBlob | undefined> {
    const file = await this.openFile(digest, row);
    if (!file) return undefined;
    this.#options.index.noteUse({ repository: repository.name, digest, atMs: Date.now() });
    const reading = new MendedBlob(file, () => file.sizeBytes, reopen);
    return {
      digest,
      sizeBytes: file.sizeBytes,
      outcome: 'hit',
      isShared: false,
      ageMs: ageOf(row),
      read: (buffer, position) => reading.read(buffer, position),
      [Symbol.asyncDispose]: () => reading[Symbol.asyncDispose](),
    };
  }

  /** Undefined when it was evicted or is lost, which the index knows afterwards. */
  async openFile(digest: Digest, { sizeBytes, storedAtMs }: BlobRow): Promise<ContentFile | undefined> {
    let file: ContentFile | undefined;
    try {
      file = await this.#options.store.open(digest);
      if (file && file.sizeBytes === sizeBytes && (await this.#isUntouched(digest, file, storedAtMs))) return file;
      await file?.[Symbol.asyncDispose]();
      await this.#options.lost.examine(digest, 'serving');
      return undefined;
    } catch (error) {
      await file?.[Symbol.asyncDispose]();
      // A disk that refuses for another reason than the file must not make us try for ever.
      if ((await this.#options.lost.examine(digest, 'serving')) === 'intact') throw error;
      return undefined;
    }
  }

  /** The file anew, after it failed its reader: it may have been stored again. Undefined when it is not there any more. */
  async reopen(repository: Repository, digest: Digest, failure: unknown): Promise<ContentFile | undefined> {
    const { index, lost } = this.#options;
    if (failure instanceof ContentError) await lost.examine(digest, 'serving');
    const row = await index.findBlob(repository.name, digest);
    return row.isStored ? this.openFile(digest, row) : undefined;
  }

  /** A file that somebody wrote to after it was stored is hashed before it is served: once, for it may be a restored backup. */
  async #isUntouched(digest: Digest, file: ContentFile, storedAtMs = 0): Promise<boolean> {
    const { modifiedAtMs = 0 } = file;
    if (modifiedAtMs <= storedAtMs || modifiedAtMs <= (this.#checked.get(digest) ?? 0)) return true;
    const isIntact = (await this.#checks.run(digest, () => this.#options.lost.examine(digest, 'serving'))) === 'intact';
    if (isIntact) this.#checked.set(digest, modifiedAtMs);
    return isIntact;
  }
}

/** Time since a blob was stored. */
export function ageOf({ storedAtMs }: Pick<BlobRow, 'storedAtMs'>): number {
  return storedAtMs === undefined ? 0 : Math.max(0, Date.now() - storedAtMs);
}
