import { setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../upstream/upstream-error.ts';
import { CodedError } from '../../util/coded-error.ts';
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
const NO_ROOM = 'NO_ROOM';
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

  /** Tries once more what its sources could not give at the time. One that still can't is asked for one thing only. */
  async healOwed(signal: AbortSignal): Promise<void> {
    const failing = new Set<string>();
    for (const digest of Array.from(this.#owed.keys())) {
      if (signal.aborted) return;
      const { isStored } = await this.#options.index.findBlob('', digest);
      const failure = isStored ? undefined : await this.#attempt(digest, failing);
      if (!failure || !isPassing(failure.error)) this.#owed.delete(digest);
      await nextTurn();
    }
  }

  /** Why nobody gives it; undefined: it is here again. @param failing registries that need not be asked, and those to come */
  async #attempt(
    digest: Digest,
    failing = new Set<string>(),
  ): Promise<{ repository: string; error: unknown } | undefined> {
    const { index, upstreams } = this.#options;
    const holders = await index.repositoriesOf(digest, MAX_SOURCES);
    const failures: unknown[] = [];
    for (const { repository: name, isManifest } of holders) {
      const repository = upstreams.sourcedRepository(name);
      if (!repository) continue;
      const { registry } = repository;
      try {
        upstreams.check(repository);
        if (failing.has(registry)) throw new UpstreamError('UNAVAILABLE', registry, 'failed a moment ago');
        await this.#fetch(repository, digest, isManifest);
        return undefined;
      } catch (error) {
        if (error instanceof UpstreamError && isPassing(error)) failing.add(registry);
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
    if (answer.outcome === 'bypass') throw new CodedError(NO_ROOM, 'there is no room for it');
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof UpstreamError) return PASSING.has(error.code);
  return error instanceof CodedError && error.code === NO_ROOM;
}
