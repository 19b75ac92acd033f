import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { isForeignLayerType } from '../../oci/media-types.ts';
import type { Repository } from '../../oci/repository.ts';
import type { HotManifests } from '../hot-manifests.ts';
import type { BlobReading } from '../mended-blob.ts';
import type { BlobInfo, OpenBlob } from '../open-blob.ts';
import { RegistryError } from '../registry-error.ts';
import { ageOf, type StoredBlobs } from '../stored-blobs.ts';
import type { HostedRules } from './hosted-rules.ts';
import type { WantedBlobs } from './wanted-blobs.ts';

export interface HostedBlobsOptions {
  readonly index: MetadataIndex;
  readonly hot: HotManifests;
  readonly stored: StoredBlobs;
  readonly rules: HostedRules;
  readonly wanted: WantedBlobs;
}

/** Blobs of hosted repositories that are here. */
export class HostedBlobs {
  readonly #options: HostedBlobsOptions;

  constructor(options: HostedBlobsOptions) {
    this.#options = options;
  }

  /** @throws RegistryError BLOB_UNKNOWN, CONTENT_LOST for what was pushed and is damaged or gone */
  async open(repository: Repository, digest: Digest): Promise<OpenBlob> {
    const { index, stored } = this.#options;
    const row = await index.findBlob(repository.name, digest);
    const blob =
      row.isStored && row.belongs
        ? await stored.open(repository, digest, row, (failure) => this.#reopen(repository, digest, failure))
        : undefined;
    if (blob) return blob;
    throw await this.#missing(repository, digest);
  }

  /** The RegistryError for what nobody has: BLOB_UNKNOWN, CONTENT_LOST for what was pushed and is damaged or gone. */
  async #missing(repository: Repository, digest: Digest): Promise<RegistryError> {
    const { belongs } = await this.#options.index.findBlob(repository.name, digest);
    return belongs && (await this.#isMissed(repository, digest))
      ? lostBlob(repository, digest)
      : unknownBlob(repository, digest);
  }

  /**
   * Who pushes is told of a blob that was lost that it is not here: then it is pushed again, which is all that can help.
   * @throws RegistryError BLOB_UNKNOWN
   */
  async head(repository: Repository, digest: Digest): Promise<BlobInfo> {
    const { index, stored, wanted } = this.#options;
    wanted.note(repository.name, digest);
    const row = await index.findBlob(repository.name, digest);
    await using file = row.isStored && row.belongs ? await stored.openFile(digest, row) : undefined;
    if (!file) throw unknownBlob(repository, digest);
    index.noteUse({ repository: repository.name, digest, atMs: Date.now() });
    return { digest, sizeBytes: file.sizeBytes, outcome: 'hit', ageMs: ageOf(row) };
  }

  /** Should it be here? Not where manifests may merely name things, and not if it is a layer that lives elsewhere. */
  async #isMissed({ name }: Repository, digest: Digest): Promise<boolean> {
    const { index, rules } = this.#options;
    if (rules.of(name).isSparse) return false;
    const root = await index.latestRootOf(name, digest);
    return root === undefined || root === digest || !(await this.#isForeign(name, root, digest, new Set()));
  }

  /** As the manifest, or one that it lists, has it. @param seen manifests that were looked at */
  async #isForeign(repository: string, manifest: Digest, layer: Digest, seen: Set<Digest>): Promise<boolean> {
    const { index, hot } = this.#options;
    seen.add(manifest);
    const row = await index.findManifest(repository, manifest);
    const bytes = row && (await hot.get(manifest, row.sizeBytes));
    if (!bytes) return false;
    for (const { role, digest, mediaType } of parseManifest(bytes, row.mediaType).references) {
      if (digest === layer && isForeignLayerType(mediaType)) return true;
      if (role === 'manifest' && !seen.has(digest) && (await this.#isForeign(repository, digest, layer, seen))) {
        return true;
      }
    }
    return false;
  }

  /** The file anew: it may have been pushed again. */
  async #reopen(repository: Repository, digest: Digest, failure: unknown): Promise<BlobReading> {
    const file = await this.#options.stored.reopen(repository, digest, failure);
    if (!file) throw lostBlob(repository, digest);
    return file;
  }
}

function unknownBlob({ name }: Repository, digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `${name} has no blob ${digest}`);
}

function lostBlob({ name }: Repository, digest: Digest): RegistryError {
  return new RegistryError(
    'CONTENT_LOST',
    `the blob ${digest} of ${name} was lost here, or never pushed: push it again`,
  );
}
