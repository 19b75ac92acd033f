import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Blobs } from '../blobs.ts';
import type { ManifestShelf } from '../manifest-shelf.ts';
import type { Upstreams } from '../upstreams.ts';

export interface HealingOptions {
  readonly index: Pick<MetadataIndex, 'repositoriesOf'>;
  readonly upstreams: Upstreams;
  readonly blobs: Blobs;
  readonly shelf: ManifestShelf;
  readonly telemetry: Telemetry;
}

/** Repositories that are asked for the same content before it is given up. */
const MAX_SOURCES = 3;

/** Fetches again what was lost. What was pushed here comes back only by another push, unless an upstream has it too. */
export class Healing {
  readonly #options: HealingOptions;

  constructor(options: HealingOptions) {
    this.#options = options;
  }

  /** False when no upstream gives it: it is fetched then when a client asks for it. */
  async heal(digest: Digest): Promise<boolean> {
    const { index, upstreams, telemetry } = this.#options;
    const holders = await index.repositoriesOf(digest, MAX_SOURCES);
    let failure: unknown = new Error('no upstream is known that has it');
    for (const { repository: name, isManifest } of holders) {
      const repository = upstreams.repositoryNamed(name);
      if (!repository) continue;
      try {
        await this.#fetch(repository, digest, isManifest);
        return true;
      } catch (error) {
        failure = error;
      }
    }
    telemetry.contentHealed({ digest, repository: holders[0]?.repository ?? '', error: failure });
    return false;
  }

  async #fetch(repository: Repository, digest: Digest, isManifest: boolean): Promise<void> {
    const { blobs, shelf } = this.#options;
    if (isManifest) {
      const { outcome } = await shelf.fetch(repository, { kind: 'digest', digest }, 'revalidation');
      if (outcome === 'bypass') throw new Error('there is no room for it');
    } else await blobs.fetch(repository, digest, 'revalidation');
  }
}
