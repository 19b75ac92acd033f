import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import { referenceText, type Reference } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import type { ManifestAnswer, ManifestDepth } from '../manifest-answer.ts';
import type { ManifestShelf } from '../manifest-shelf.ts';
import { RegistryError } from '../registry-error.ts';
import { tagTarget } from './look-up.ts';

export interface HostedManifestsOptions {
  readonly index: MetadataIndex;
  readonly shelf: ManifestShelf;
}

/** Repositories that may have the same manifest, and still be told what became of it. */
const MAX_HOLDERS = 10_000;

/** Manifests of hosted repositories: what is not here is nowhere. */
export class HostedManifests {
  readonly #options: HostedManifestsOptions;

  constructor(options: HostedManifestsOptions) {
    this.#options = options;
  }

  /**
   * Also for a HEAD its bytes are looked at, unless they are in memory. Who asks by HEAD is told of a manifest that was lost
   * that it is not here: then it is pushed again, which is all that can help.
   * @throws RegistryError MANIFEST_UNKNOWN, CONTENT_LOST for what was pushed and is damaged or gone
   */
  async get(repository: Repository, reference: Reference, depth: ManifestDepth): Promise<ManifestAnswer> {
    const { index, shelf } = this.#options;
    const row =
      reference.kind === 'tag'
        ? await index.findTag(repository.name, reference.tag)
        : await index.findManifest(repository.name, reference.digest);
    const answer = row && (await shelf.answer(row, 'hit', row.storedAtMs, 'whole'));
    if (answer) return answer;
    const text = referenceText(reference);
    if (depth === 'whole' && (row || (await this.#isNoted(repository, reference)))) {
      const message = `the manifest ${text} of ${repository.name} was lost here: push it again`;
      throw new RegistryError('CONTENT_LOST', message);
    }
    throw new RegistryError('MANIFEST_UNKNOWN', `${repository.name} has no manifest ${text}`);
  }

  /** Its bytes are not in the store, and the index still has it. */
  async #isNoted({ name }: Repository, reference: Reference): Promise<boolean> {
    const { index } = this.#options;
    if (reference.kind === 'tag') return (await tagTarget(index, name, reference.tag)) !== undefined;
    const holders = await index.repositoriesOf(reference.digest, MAX_HOLDERS);
    return holders.some(({ repository, isManifest }) => repository === name && isManifest);
  }
}
