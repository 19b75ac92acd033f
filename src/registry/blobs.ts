import { ContentError } from '../content/content-error.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/repository.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import type { BlobSource, Purpose } from '../upstream/upstream.ts';
import { CodedError } from '../util/coded-error.ts';
import type { KeyedLock } from '../util/keyed-lock.ts';
import { SingleFlight } from '../util/single-flight.ts';
import type { Fills } from './fill/fills.ts';
import type { TransferSource } from './fill/transfer.ts';
import type { HotManifests } from './hot-manifests.ts';
import { type BlobReading, MendedBlob } from './mended-blob.ts';
import { NotFoundCache } from './not-found-cache.ts';
import type { BlobInfo, OpenBlob } from './open-blob.ts';
import type { Outcome } from './outcome.ts';
import { HostedBlobs } from './pushing/hosted-blobs.ts';
import type { HostedRules } from './pushing/hosted-rules.ts';
import type { WantedBlobs } from './pushing/wanted-blobs.ts';
import { RegistryError, toRegistryError } from './registry-error.ts';
import type { DiskBudget } from './space/disk-budget.ts';
import { ageOf, type StoredBlobs } from './stored-blobs.ts';
import type { LostContent } from './upkeep/lost-content.ts';
import type { Upstreams } from './upstreams.ts';

export interface BlobsOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly rules: HostedRules;
  readonly hot: HotManifests;
  /** Of hosted repositories: what clients were told to be there. */
  readonly wanted: WantedBlobs;
  readonly fills: Fills;
  readonly stored: StoredBlobs;
  readonly lost: LostContent;
  readonly budget: DiskBudget;
  /** One at a time for each digest: storing it, and removing it. */
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
  readonly notFoundForMs: number;
}

/** Blobs of repositories: from the store, or by a fill. All errors are RegistryErrors. */
export class Blobs {
  readonly #options: BlobsOptions;
  readonly #notFound: NotFoundCache;
  readonly #confirmations = new SingleFlight<number | undefined>();
  readonly #stored: StoredBlobs;
  readonly #hosted: HostedBlobs;

  constructor(options: BlobsOptions) {
    this.#options = options;
    this.#notFound = new NotFoundCache(options.notFoundForMs);
    this.#stored = options.stored;
    this.#hosted = new HostedBlobs(options);
  }

  /**
   * Opens a blob; what is not stored is fetched, once for all who ask: of a hosted repository from its siblings, if it has
   * any.
   * @param positionBytes where the reader will begin, so that a fill asks for that part first
   */
  async open(repository: Repository, digest: Digest, positionBytes = 0): Promise<OpenBlob> {
    try {
      if (!this.#options.upstreams.sourceOf(repository)) return await this.#hosted.open(repository, digest);
      for (;;) {
        const blob =
          (await this.#openStored(repository, digest)) ?? (await this.#openFill(repository, digest, positionBytes));
        if (blob) return blob;
      }
    } catch (error) {
      if (error instanceof UpstreamError && this.#options.upstreams.isHosted(repository)) {
        return this.#openArrived(repository, digest, error);
      }
      throw this.#translated(error, repository, digest);
    }
  }

  /**
   * What is known of a blob, without fetching it. Of a hosted repository that is what is here: who asks mostly does so to
   * find out what to push.
   */
  async head(repository: Repository, digest: Digest): Promise<BlobInfo> {
    try {
      const { index, fills, upstreams } = this.#options;
      if (upstreams.isHosted(repository)) return await this.#hosted.head(repository, digest);
      const row = await index.findBlob(repository.name, digest);
      if (row.isStored && row.belongs) {
        index.noteUse({ repository: repository.name, digest, atMs: Date.now() });
        return { digest, sizeBytes: row.sizeBytes, outcome: 'hit', ageMs: ageOf(row) };
      }
      const filling = row.belongs ? fills.find(digest)?.sizeBytes : undefined;
      const sizeBytes = filling ?? (await this.#confirm(repository, digest));
      const known = sizeBytes ?? row.sizeBytes;
      if (known !== undefined) return { digest, sizeBytes: known, outcome: 'miss', ageMs: 0 };
    } catch (error) {
      throw this.#translated(error, repository, digest);
    }
    // The upstream's HEAD does not tell the size, which every client's HEAD is about: its GET does.
    await using blob = await this.open(repository, digest);
    return { digest, sizeBytes: blob.sizeBytes, outcome: blob.outcome, ageMs: blob.ageMs };
  }

  /** Whether it is here, whatever an upstream has: for who brings it otherwise. @throws RegistryError BLOB_UNKNOWN also */
  async headStored(repository: Repository, digest: Digest): Promise<BlobInfo> {
    try {
      return await this.#hosted.head(repository, digest);
    } catch (error) {
      throw this.#translated(error, repository, digest);
    }
  }

  /** Fetches a blob that is not stored, for nobody in particular. Resolves when it is stored, with the bytes fetched. */
  async fetch(repository: Repository, digest: Digest, purpose: Purpose): Promise<number> {
    const { index, fills } = this.#options;
    for (;;) {
      const row = await index.findBlob(repository.name, digest);
      if (row.isStored || (await this.#adopt(digest))) return 0;
      await this.#requireRoom(repository, digest, row.sizeBytes);
      const source = this.#sourceOf(repository);
      const joined = await fills.join(digest, source, { sizeBytes: row.sizeBytes, positionBytes: 0, purpose });
      if (!joined) continue;
      await joined.reader[Symbol.asyncDispose]();
      await joined.fill.ended;
      if (!joined.fill.isKept) throw new CodedError('NO_ROOM', `there is no room for ${digest}`);
      return joined.isShared ? 0 : (joined.fill.sizeBytes ?? 0);
    }
  }

  /** What nobody waits for is not even begun where it could not be kept. */
  async #requireRoom(repository: Repository, digest: Digest, sizeBytes: number | undefined): Promise<void> {
    const { budget, fills } = this.#options;
    if (sizeBytes === undefined || fills.find(digest)) return;
    const refusal = await budget.prepare(repository.registry, sizeBytes, digest);
    if (refusal !== undefined) throw new CodedError('NO_ROOM', `there is no room for ${digest}`);
  }

  async #openStored(repository: Repository, digest: Digest): Promise<OpenBlob | undefined> {
    const row = await this.#options.index.findBlob(repository.name, digest);
    if (!row.isStored) return undefined;
    if (!row.belongs) await this.#confirm(repository, digest);
    return this.#stored.open(repository, digest, row, (failure, position) =>
      this.#reopen(repository, digest, failure, position),
    );
  }

  /** What arrives in a hosted repository while others are asked counts more than what they say. */
  async #openArrived(repository: Repository, digest: Digest, failure: UpstreamError): Promise<OpenBlob> {
    try {
      return await this.#hosted.open(repository, digest);
    } catch (error) {
      throw isNotFound(failure) ? error : toRegistryError(failure, 'BLOB_UNKNOWN');
    }
  }

  /** Undefined when the fill ended before it could be joined. */
  async #openFill(repository: Repository, digest: Digest, positionBytes: number): Promise<OpenBlob | undefined> {
    const { index, fills } = this.#options;
    if (this.#notFound.has(repository.name, digest)) throw unknownBlob(repository, digest);
    const row = await index.findBlob(repository.name, digest);
    const running = fills.find(digest);
    if (running) {
      const isSource = running.repositories.some(({ name }) => name === repository.name);
      if (!isSource && !row.belongs) await this.#confirm(repository, digest);
    } else if (await this.#adopt(digest)) {
      const stored = await this.#openStored(repository, digest);
      if (stored) return stored;
    }
    const wish = { sizeBytes: row.sizeBytes, positionBytes, purpose: 'miss' as const };
    const joined = await fills.join(digest, this.#sourceOf(repository), wish);
    if (!joined) return undefined;
    const { fill, reader, isShared } = joined;
    const isHit = fill.isVerified;
    try {
      await fill.confirmed;
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
    // The manifest that lists it was pulled before, but not necessarily a moment ago.
    index.noteUse({ repository: repository.name, digest, atMs: Date.now() });
    const reading = new MendedBlob(
      reader,
      () => undefined,
      (failure, position) => this.#reopen(repository, digest, failure, position),
    );
    return {
      digest,
      sizeBytes: fill.sizeBytes,
      outcome: outcomeOf(isHit, fill.isKept),
      isShared: isShared && !isHit,
      ageMs: 0,
      read: (buffer, position) => reading.read(buffer, position),
      [Symbol.asyncDispose]: () => reading[Symbol.asyncDispose](),
    };
  }

  /** Another source for a reader whose source failed it in the middle. */
  async #reopen(repository: Repository, digest: Digest, failure: unknown, positionBytes: number): Promise<BlobReading> {
    const { index, fills, lost } = this.#options;
    if (failure instanceof ContentError) await lost.examine(digest, 'serving');
    const { sizeBytes } = await index.findBlob(repository.name, digest);
    const source = this.#sourceOf(repository);
    const wish = { sizeBytes, positionBytes, purpose: 'miss' as const };
    for (;;) {
      const row = await index.findBlob(repository.name, digest);
      const file = row.isStored ? await this.#stored.openFile(digest, row) : undefined;
      if (file) return file;
      const joined = await fills.join(digest, source, wish);
      if (joined) return joined.reader;
    }
  }

  /** Asks the upstream whether the blob is in that repository: what one may see, all may not. @returns its size */
  async #confirm(repository: Repository, digest: Digest): Promise<number | undefined> {
    const { index, budget, telemetry } = this.#options;
    if (this.#notFound.has(repository.name, digest)) throw unknownBlob(repository, digest);
    return this.#confirmations.run(`${repository.name}@${digest}`, async () => {
      const { upstream } = this.#sourceOf(repository);
      const { sizeBytes } = await upstream.headBlob(repository.path, digest);
      // An index that refuses costs another question next time, not the client its answer.
      await index.linkBlob(repository.name, digest).catch((error: unknown) => telemetry.storeFailed({ digest, error }));
      await budget.share();
      return sizeBytes;
    });
  }

  /** Takes a file into the index that the index does not know: a crash came between storing and noting it. */
  async #adopt(digest: Digest): Promise<boolean> {
    const { store, index, locks } = this.#options;
    if (!(await hasFile(store, digest))) return false;
    return locks.run(digest, async () => {
      if ((await index.findBlob('', digest)).isStored) return true;
      await using file = await store.open(digest);
      if (!file) return false;
      if ((await store.verify(digest)) !== 'intact') {
        await store.quarantine(digest);
        return false;
      }
      await index.putBlob({ digest, sizeBytes: file.sizeBytes, repositories: [], atMs: Date.now() });
      return true;
    });
  }

  /** @throws RegistryError BLOB_UNKNOWN where nobody else can have it */
  #sourceOf(repository: Repository): TransferSource {
    const upstream: BlobSource | undefined = this.#options.upstreams.sourceOf(repository);
    if (!upstream) throw new RegistryError('BLOB_UNKNOWN', `${repository.name} has no blobs but those that are here`);
    return { repository, upstream };
  }

  #translated(error: unknown, repository: Repository, digest: Digest): unknown {
    if (isNotFound(error)) this.#notFound.add(repository.name, digest);
    return toRegistryError(error, 'BLOB_UNKNOWN');
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'NOT_FOUND';
}

/** Whatever is wrong with it will show when it is stored. */
async function hasFile(store: ContentStore, digest: Digest): Promise<boolean> {
  await using file = await store.open(digest).catch(() => undefined);
  return file !== undefined;
}

function outcomeOf(isHit: boolean, isKept: boolean): Outcome {
  if (!isKept) return 'bypass';
  return isHit ? 'hit' : 'miss';
}

function unknownBlob(repository: Repository, digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `${repository.name} has no blob ${digest}`);
}
