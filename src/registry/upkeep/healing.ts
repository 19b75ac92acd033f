import { LRUCache } from 'lru-cache';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../upstream/upstream-error.ts';
import type { Blobs } from '../blobs.ts';
import type { EarlyManifests } from '../pushing/early-manifests.ts';
import type { ManifestShelf } from '../manifest-shelf.ts';
import type { Upstreams } from '../upstreams.ts';

export interface HealingOptions {
  readonly index: Pick<MetadataIndex, 'findBlob' | 'repositoriesOf'>;
  readonly upstreams: Pick<Upstreams, 'check' | 'isHosted' | 'sourcedRepository'>;
  readonly blobs: Pick<Blobs, 'fetch'>;
  readonly shelf: Pick<ManifestShelf, 'fetch'>;
  readonly early: Pick<EarlyManifests, 'fetch'>;
  readonly telemetry: Pick<Telemetry, 'contentHealed'>;
}

/** Repositories that are asked for the same content before it is given up. */
const MAX_SOURCES = 3;

/** More than that is left to the clients that want it. */
const MAX_OWED = 10_000;
/** Failures that say nothing of what was asked for: the source may give it when it is well again. */
const PASSING: ReadonlySet<UpstreamErrorCode> = new Set(['UNREACHABLE', 'TIMEOUT', 'UNAVAILABLE', 'RATE_LIMITED']);

/** Fetches again what was lost. What was pushed here comes back only by another push, unless an upstream or a sibling has it. */
export class Healing {
  readonly #options: HealingOptions;
  /** What could not be had when it was found to be lost. */
  readonly #owed = new LRUCache<Digest, true>({ max: MAX_OWED });

  constructor(options: HealingOptions) {
    this.#options = options;
  }

  /** False when nobody gives it: it is fetched then by {@link healOwed}, or when a client asks for it. */
  async heal(digest: Digest): Promise<boolean> {
    const failure = await this.#attempt(digest);
    if (!failure) return true;
    if (isPassing(failure.error)) this.#owed.set(digest, true);
    this.#options.telemetry.contentHealed({ digest, ...failure });
    return false;
  }

  /** Tries once more what its sources could not give at the time, until one still can't. */
  async healOwed(signal: AbortSignal): Promise<void> {
    for (const digest of Array.from(this.#owed.keys())) {
      if (signal.aborted) return;
      const { isStored } = await this.#options.index.findBlob('', digest);
      const failure = isStored ? undefined : await this.#attempt(digest);
      if (failure && isPassing(failure.error)) return;
      this.#owed.delete(digest);
    }
  }

  /** Why nobody gives it; undefined: it is here again. */
  async #attempt(digest: Digest): Promise<{ repository: string; error: unknown } | undefined> {
    const { index, upstreams } = this.#options;
    const holders = await index.repositoriesOf(digest, MAX_SOURCES);
    const failures: unknown[] = [];
    for (const { repository: name, isManifest } of holders) {
      const repository = upstreams.sourcedRepository(name);
      if (!repository) continue;
      try {
        upstreams.check(repository);
        await this.#fetch(repository, digest, isManifest);
        return undefined;
      } catch (error) {
        failures.push(error);
      }
    }
    const error = failures.find(isPassing) ?? failures.at(-1) ?? new Error('nobody is known who has it');
    return { repository: holders[0]?.repository ?? '', error };
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

function isPassing(error: unknown): boolean {
  return error instanceof UpstreamError && PASSING.has(error.code);
}
