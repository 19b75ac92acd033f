import type { ContentStore } from '../../content/content-store.ts';
import type { Cause } from '../../metadata/event-index.ts';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { within } from '../../util/sleep.ts';
import type { Fills } from '../fill/fills.ts';
import { toRegistryError } from '../registry-error.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { LostContent } from '../upkeep/lost-content.ts';
import type { WantedBlobs } from './wanted-blobs.ts';

export interface MountsOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly fills: Fills;
  readonly lost: LostContent;
  readonly wanted: WantedBlobs;
  readonly budget: DiskBudget;
  readonly telemetry: Telemetry;
}

/** Where a blob may come from: one repository, by its name in full, or any that the client may pull from. */
export type MountSource = { readonly from: string } | { readonly isReadable: (repository: string) => boolean };

/** A client waits so long for a blob that is being stored, rather than send it. */
const STORING_MS = 10_000;
/** Repositories that are looked at for one that the client may pull from. */
const MAX_SOURCES = 100;

/** Blobs that are here already made part of another repository (distribution-spec, "Mounting a blob"). */
export class Mounts {
  readonly #options: MountsOptions;

  constructor(options: MountsOptions) {
    this.#options = options;
  }

  /** @returns false when there is no such blob to be had: it has to be uploaded then @throws RegistryError */
  async mount(repository: Repository, digest: Digest, source: MountSource, cause: Cause): Promise<boolean> {
    const { index, fills, wanted, budget, telemetry } = this.#options;
    const blob = { repository: repository.name, digest, atMs: Date.now() };
    try {
      // What a client has just pulled whole is about to be stored.
      const fill = fills.find(digest);
      if (fill?.isVerified)
        await within(
          STORING_MS,
          fill.ended.catch(() => undefined),
        );
      wanted.note(repository.name, digest);
      if (!(await this.#isThere(digest))) return false;
      for (const from of [repository.name, ...(await this.#sources(digest, source))]) {
        if (!(await index.mountBlob({ ...blob, from }, cause))) continue;
        index.noteUse(blob);
        await budget.share();
        telemetry.blobMounted({ repository: repository.name, digest, from, actor: cause.actor });
        return true;
      }
      return false;
    } catch (error) {
      throw toRegistryError(error, 'BLOB_UNKNOWN');
    }
  }

  /** Who is told that a blob is there sends it no more: so its file is looked at first. */
  async #isThere(digest: Digest): Promise<boolean> {
    const { store, index, lost } = this.#options;
    const { isStored, sizeBytes } = await index.findBlob('', digest);
    if (!isStored) return false;
    await using file = await store.open(digest).catch(() => undefined);
    if (file?.sizeBytes === sizeBytes) return true;
    await lost.examine(digest, 'serving');
    return false;
  }

  async #sources(digest: Digest, source: MountSource): Promise<readonly string[]> {
    if ('from' in source) return [source.from];
    const holders = await this.#options.index.repositoriesOf(digest, MAX_SOURCES);
    return holders.map(({ repository }) => repository).filter(source.isReadable);
  }
}
