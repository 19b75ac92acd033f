import { ContentError } from '../content/content-error.ts';
import type { ManifestRow, MetadataIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type ParsedManifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/repository.ts';
import { CodedError } from '../util/coded-error.ts';
import type { Blobs } from './blobs.ts';
import type { ManifestShelf } from './manifest-shelf.ts';
import type { Manifests } from './manifests.ts';
import type { BlobReading } from './mended-blob.ts';
import type { HostedRules } from './pushing/hosted-rules.ts';
import { RegistryError, toRegistryError } from './registry-error.ts';
import type { StoredBlobs } from './stored-blobs.ts';
import type { LostContent } from './upkeep/lost-content.ts';
import type { Upstreams } from './upstreams.ts';

export interface LocalContentOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly rules: HostedRules;
  readonly shelf: ManifestShelf;
  readonly manifests: Manifests;
  readonly blobs: Blobs;
  readonly stored: StoredBlobs;
  readonly lost: LostContent;
}

/** A manifest that is stored here, its bytes checked. */
export interface LocalManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly parsed: ParsedManifest;
}

/** A blob that is stored here, open for reading. @throws RegistryError when its file turns out to be short or unreadable */
export interface LocalBlob extends BlobReading {
  readonly sizeBytes: number;
}

const REFERRERS = 100;

/**
 * What is stored here, for those who pass it on: reading is no use, so that it keeps nothing from being evicted, and no
 * upstream is asked. Repositories are named in full. All errors are RegistryErrors.
 */
export class LocalContent {
  readonly #options: LocalContentOptions;

  constructor(options: LocalContentOptions) {
    this.#options = options;
  }

  /** Undefined if it is not in the repository, or not what it should be, which the index knows afterwards. */
  manifest(repository: string, digest: Digest): Promise<LocalManifest | undefined> {
    return translated('MANIFEST_UNKNOWN', async () => {
      const { index, shelf } = this.#options;
      const row = await index.findManifest(repository, digest);
      const answer = row && (await shelf.answer(row, 'hit', row.storedAtMs, 'whole'));
      return answer?.bytes && localManifest(digest, answer.mediaType, answer.bytes);
    });
  }

  /** Undefined if the repository does not have it, or it is not what it should be, which the index knows afterwards. */
  blob(repository: string, digest: Digest): Promise<LocalBlob | undefined> {
    return translated('BLOB_UNKNOWN', async () => {
      const { index, stored } = this.#options;
      const row = await index.findBlob(repository, digest);
      const file = row.isStored && row.belongs ? await stored.openFile(digest, row) : undefined;
      if (!file) return undefined;
      return {
        sizeBytes: file.sizeBytes,
        read: (buffer, position) => translated('BLOB_UNKNOWN', () => this.#read(digest, file, buffer, position)),
        [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
      };
    });
  }

  /** As the index knows it: its file is not looked at. */
  hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return translated('BLOB_UNKNOWN', async () => {
      const { isStored, belongs } = await this.#options.index.findBlob(repository, digest);
      return isStored && belongs;
    });
  }

  /** Hashes stored content again; what is wrong is put aside. False if it is not stored, or not any more. */
  isIntact(digest: Digest): Promise<boolean> {
    return translated('BLOB_UNKNOWN', async () => (await this.#options.lost.examine(digest, 'serving')) === 'intact');
  }

  /** Stored manifests whose subject it is, in byte order of digests. */
  async *referrers(repository: string, subject: Digest): AsyncGenerator<ManifestRow, void> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const rows: ManifestRow[] = await this.#referrersPage(repository, subject, after);
      yield* rows;
      after = rows.length < REFERRERS ? undefined : rows.at(-1)?.digest;
    }
  }

  /** Is it one that an upstream has, so that what is not here can be fetched? */
  isProxied(repository: string): boolean {
    return this.#options.upstreams.repositoryNamed(repository) !== undefined;
  }

  /** May manifests be here without all that they name? */
  isSparse(repository: string): boolean {
    return this.isProxied(repository) || this.#options.rules.of(repository).isSparse;
  }

  /**
   * From the upstream, as what nobody waits for, unless it is here; it is stored then. Undefined if the repository has no
   * upstream, or that does not have it.
   */
  async fetchManifest(repository: string, digest: Digest): Promise<LocalManifest | undefined> {
    return this.#fetch(repository, 'MANIFEST_UNKNOWN', async (source) => {
      const reference = { kind: 'digest', digest } as const;
      const { bytes, mediaType, outcome } = await this.#options.manifests.get(source, reference, 'whole', 'warm');
      if (outcome === 'bypass') throw new RegistryError('NO_ROOM', `there is no room for ${digest}`);
      return bytes && localManifest(digest, mediaType, bytes);
    });
  }

  /** The same for a blob. False if there is no upstream that has it. */
  async fetchBlob(repository: string, digest: Digest): Promise<boolean> {
    const isStored = await this.#fetch(repository, 'BLOB_UNKNOWN', async (source) => {
      await this.#options.blobs.fetch(source, digest, 'warm');
      return true;
    });
    return isStored ?? false;
  }

  #referrersPage(repository: string, subject: Digest, after: string): Promise<ManifestRow[]> {
    const query = { repository, subject, after, limit: REFERRERS };
    return translated('MANIFEST_UNKNOWN', () => this.#options.index.listReferrers(query));
  }

  async #fetch<Value>(
    repository: string,
    missing: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN',
    fetch: (source: Repository) => Promise<Value>,
  ): Promise<Value | undefined> {
    const { upstreams } = this.#options;
    const source = upstreams.repositoryNamed(repository);
    if (!source) return undefined;
    try {
      return await translated(missing, () => {
        upstreams.check(source);
        return fetch(source);
      });
    } catch (error) {
      if (error instanceof RegistryError && error.code === missing) return undefined;
      throw error;
    }
  }

  async #read(digest: Digest, file: BlobReading & { sizeBytes: number }, buffer: Uint8Array, position: number) {
    try {
      const read = await file.read(buffer, position);
      if (read > 0 || position >= file.sizeBytes) return read;
      throw new ContentError('STORE_FAILED', `the file ends at ${position}`);
    } catch (error) {
      // Whoever asks for it again is to know that it is not here.
      if (error instanceof ContentError) await this.#options.lost.examine(digest, 'serving');
      throw error;
    }
  }
}

function localManifest(digest: Digest, mediaType: string, bytes: Uint8Array): LocalManifest {
  return { digest, mediaType, bytes, parsed: parseManifest(bytes, mediaType) };
}

async function translated<Value>(
  missing: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN',
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NO_ROOM') {
      throw new RegistryError('NO_ROOM', error.message, { cause: error });
    }
    throw toRegistryError(error, missing);
  }
}
