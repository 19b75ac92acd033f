import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Blobs } from '../blobs.ts';
import type { EarlyManifests } from '../pushing/early-manifests.ts';
import type { ManifestShelf } from '../manifest-shelf.ts';
import type { Upstreams } from '../upstreams.ts';

export interface HealingOptions {
  readonly index: Pick<MetadataIndex, 'repositoriesOf'>;
  readonly upstreams: Upstreams;
  readonly blobs: Blobs;
  readonly shelf: ManifestShelf;
  readonly early: EarlyManifests;
  readonly telemetry: Telemetry;
}

/** Repositories that are asked for the same content before it is given up. */
const MAX_SOURCES = 3;

/** Fetches again what was lost. What was pushed here comes back only by another push, unless an upstream or a sibling has it. */
export class Healing {
  readonly #options: HealingOptions;

  constructor(options: HealingOptions) {
    this.#options = options;
  }

  /** False when nobody gives it: it is fetched then when a client asks for it. */
  async heal(digest: Digest): Promise<boolean> {
    const { index, upstreams, telemetry } = this.#options;
    const holders = await index.repositoriesOf(digest, MAX_SOURCES);
    let failure: unknown = new Error('nobody is known who has it');
    for (const { repository: name, isManifest } of holders) {
      const repository = upstreams.sourcedRepository(name);
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
    const { blobs, early, shelf, upstreams } = this.#options;
    if (!isManifest) {
      await blobs.fetch(repository, digest, 'revalidation');
      return;
    }
    const reference = { kind: 'digest', digest } as const;
    const answer = upstreams.isHosted(repository)
      ? await early.fetch(repository, reference)
      : await shelf.fetch(repository, reference, 'revalidation');
    if (!answer) throw new Error('none of its siblings has it');
    if (answer.outcome === 'bypass') throw new Error('there is no room for it');
  }
}
