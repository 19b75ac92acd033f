import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { TagState } from '../../metadata/replication-index.ts';
import { parseManifest, type ParsedManifest } from '../../oci/manifest.ts';
import { referenceText, type Reference } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { SiblingManifest, SiblingSource } from '../../upstream/sibling-source.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { HybridTime } from '../../util/hybrid-clock.ts';
import { SingleFlight } from '../../util/single-flight.ts';
import type { ManifestAnswer } from '../manifest-answer.ts';
import { RegistryError } from '../registry-error.ts';
import type { Upstreams } from '../upstreams.ts';
import type { ManifestPush, PushedManifest } from './manifest-pushes.ts';

export interface EarlyManifestsOptions {
  readonly index: Pick<MetadataIndex, 'findTombstone'>;
  readonly upstreams: Upstreams;
  readonly telemetry: Telemetry;
  /** Keeps a manifest as if it had arrived by replication. */
  readonly put: (push: ManifestPush) => Promise<PushedManifest>;
  /** One that was not here before came for a client. */
  readonly onFetched: (repository: Repository, manifest: ParsedManifest) => void;
}

/** Before every change of a tag that was ever made: whatever is known of it here, or arrives later, counts more. */
const BEFORE_ALL: HybridTime = { ms: 0, count: 0 };

/**
 * Manifests of hosted repositories that other sites have and that did not arrive here yet, or were lost here: they are
 * kept as if they had arrived.
 */
export class EarlyManifests {
  readonly #options: EarlyManifestsOptions;
  readonly #fetches = new SingleFlight<ManifestAnswer | undefined>();

  constructor(options: EarlyManifestsOptions) {
    this.#options = options;
  }

  /**
   * From the first sibling that has it; undefined if none has, or if the tag was deleted here: they may not know yet.
   * @throws UpstreamError when one that might have it cannot be asked
   */
  async fetch(repository: Repository, reference: Reference): Promise<ManifestAnswer | undefined> {
    const source = this.#options.upstreams.siblingsOf(repository);
    if (!source) return undefined;
    return this.#fetches.run(`${repository.name}@${referenceText(reference)}`, async () => {
      if (await this.#isDeleted(repository, reference)) return undefined;
      const fetched = await sent(source, repository, reference);
      if (!fetched) return undefined;
      const kept = await this.#keep(repository, reference, fetched);
      if (kept === 'refused') return undefined;
      const { digest, mediaType, bytes } = fetched;
      const outcome = kept === 'stored' ? 'miss' : 'bypass';
      return { digest, mediaType, sizeBytes: bytes.length, outcome, ageMs: 0, bytes };
    });
  }

  async #isDeleted({ name }: Repository, reference: Reference): Promise<boolean> {
    return reference.kind === 'tag' && (await this.#options.index.findTombstone(name, reference.tag)) !== undefined;
  }

  /** A disk that refuses costs the copy, not the client its answer. @returns `refused`: the tag is another one's here, or deleted */
  async #keep(
    repository: Repository,
    reference: Reference,
    { bytes, digest, mediaType, site }: SiblingManifest,
  ): Promise<'stored' | 'passed' | 'refused'> {
    const { put, onFetched, telemetry } = this.#options;
    const origin = { site, sequence: 0, clock: BEFORE_ALL };
    try {
      const { kept } = await put({
        repository,
        reference,
        tags: [],
        bytes,
        contentType: mediaType,
        cause: { actor: undefined, origin },
      });
      if (kept.length > 0) return 'refused';
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      telemetry.storeFailed({ digest, error });
      return 'passed';
    }
    onFetched(repository, parseManifest(bytes, mediaType));
    return 'stored';
  }
}

/** Did the tag come before the change that set it at its site did? */
export function isEarly({ clock }: TagState): boolean {
  return clock.ms === BEFORE_ALL.ms;
}

async function sent(
  source: SiblingSource,
  { path }: Repository,
  reference: Reference,
): Promise<SiblingManifest | undefined> {
  try {
    return await source.getManifest(path, reference);
  } catch (error) {
    if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
