import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { referenceText, type Reference } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import type { ManifestAnswer, ManifestDepth } from '../manifest-answer.ts';
import type { ManifestShelf } from '../manifest-shelf.ts';
import { RegistryError } from '../registry-error.ts';
import type { Upstreams } from '../upstreams.ts';
import { type EarlyManifests, isEarly } from './early-manifests.ts';
import { tagTarget } from './look-up.ts';
import { requiredContent } from './required-content.ts';

export interface HostedManifestsOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly shelf: ManifestShelf;
  readonly early: EarlyManifests;
}

/** Who asks in order to bring what is not here. */
export type ContentBringer = 'pusher' | 'replicator';

/** Repositories that may have the same manifest, and still be told what became of it. */
const MAX_HOLDERS = 10_000;

/** Manifests of hosted repositories: what is not here is at their siblings, if they have any, or nowhere. */
export class HostedManifests {
  readonly #options: HostedManifestsOptions;

  constructor(options: HostedManifestsOptions) {
    this.#options = options;
  }

  /**
   * Also for a HEAD its bytes are looked at, unless they are in memory; what a sibling has is here after it. Who asks by HEAD
   * is told of a manifest that was lost that it is not here: then it is pushed again, which is all that can help.
   * @throws RegistryError MANIFEST_UNKNOWN, CONTENT_LOST for what was pushed and is damaged or gone; UpstreamError when a
   * sibling that might have it cannot be asked
   */
  async get(repository: Repository, reference: Reference, depth: ManifestDepth): Promise<ManifestAnswer> {
    const answer =
      (await this.#options.shelf.find(repository, reference)) ?? (await this.#fromSiblings(repository, reference));
    if (answer) return answer;
    throw depth === 'whole' && (await this.#isNoted(repository, reference))
      ? lostManifest(repository, reference)
      : unknownManifest(repository, reference);
  }

  /**
   * Whether it is here, for who brings it otherwise. What came early is not here for them before its blobs are, and a tag
   * not for who replicates before they have told when it was set.
   * @throws RegistryError MANIFEST_UNKNOWN
   */
  async headStored(repository: Repository, reference: Reference, by: ContentBringer): Promise<ManifestAnswer> {
    const { shelf, upstreams } = this.#options;
    const answer = await shelf.find(repository, reference);
    if (!answer) throw unknownManifest(repository, reference);
    if (!upstreams.siblingsOf(repository)) return answer;
    const isAwaited = by === 'replicator' && (await this.#isEarlyTag(repository, reference));
    if (isAwaited || (await this.#lacksBlobs(repository, answer))) throw unknownManifest(repository, reference);
    return answer;
  }

  /** What arrives while they are asked counts more than what they say. @throws UpstreamError */
  async #fromSiblings(repository: Repository, reference: Reference): Promise<ManifestAnswer | undefined> {
    const { early, shelf, upstreams } = this.#options;
    if (!upstreams.siblingsOf(repository)) return undefined;
    try {
      const fetched = await early.fetch(repository, await this.#lostTarget(repository, reference));
      return fetched ?? (await shelf.find(repository, reference));
    } catch (error) {
      const arrived = await shelf.find(repository, reference);
      if (arrived) return arrived;
      throw error;
    }
  }

  /** A tag that is here is not asked for where it may point elsewhere: what it points at is. */
  async #lostTarget({ name }: Repository, reference: Reference): Promise<Reference> {
    const digest = reference.kind === 'tag' ? await tagTarget(this.#options.index, name, reference.tag) : undefined;
    return digest === undefined ? reference : { kind: 'digest', digest };
  }

  async #isEarlyTag({ name }: Repository, reference: Reference): Promise<boolean> {
    const state = reference.kind === 'tag' ? await this.#options.index.findTagState(name, reference.tag) : undefined;
    return state !== undefined && isEarly(state);
  }

  async #lacksBlobs({ name }: Repository, { bytes, mediaType }: ManifestAnswer): Promise<boolean> {
    if (!bytes) return true;
    const required = requiredContent(parseManifest(bytes, mediaType)).filter(({ role }) => role !== 'manifest');
    const rows = await Promise.all(required.map(({ digest }) => this.#options.index.findBlob(name, digest)));
    return rows.some(({ isStored, belongs }) => !isStored || !belongs);
  }

  /** Its bytes are not in the store, and the index still has it. */
  async #isNoted({ name }: Repository, reference: Reference): Promise<boolean> {
    const { index } = this.#options;
    if (reference.kind === 'tag') return (await tagTarget(index, name, reference.tag)) !== undefined;
    const holders = await index.repositoriesOf(reference.digest, MAX_HOLDERS);
    return holders.some(({ repository, isManifest }) => repository === name && isManifest);
  }
}

function unknownManifest({ name }: Repository, reference: Reference): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `${name} has no manifest ${referenceText(reference)}`);
}

function lostManifest({ name }: Repository, reference: Reference): RegistryError {
  const message = `the manifest ${referenceText(reference)} of ${name} was lost here: push it again`;
  return new RegistryError('CONTENT_LOST', message);
}
