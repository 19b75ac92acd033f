import { stat } from 'node:fs/promises';
import type { MetadataIndex, RepositorySummary } from '../../metadata/metadata-index.ts';
import type { Retention } from '../pushing/retention.ts';
import type { Eviction } from '../space/eviction.ts';
import type { Pin, Pins } from '../space/pins.ts';
import type { Removal } from '../space/removal.ts';
import type { Garbage } from '../upkeep/garbage.ts';
import type { Scrub } from '../upkeep/scrub.ts';
import type { Verification } from '../upkeep/verification.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Warmer } from '../warming/warmer.ts';
import { requireHeldRepository } from './held-repository.ts';
import { OperationError } from './operation-error.ts';
import type {
  GarbageReport,
  ImageStatus,
  Operations,
  PinStatus,
  PurgeTarget,
  RefreshProgress,
  RefreshReport,
  RemovalProgress,
  RemovalReport,
  RepositoryStatus,
  RetentionReport,
  ScrubStatus,
  StatusReport,
  UpstreamStatus,
  VerifyProgress,
  VerifyReport,
  VerifyRequest,
  WarmProgress,
  WarmReport,
  WarmRequest,
  WorkOptions,
} from './operations.ts';
import { pinPattern } from './pin-pattern.ts';
import type { Purging } from './purging.ts';
import type { Refreshing } from './refreshing.ts';
import { RemovalTally } from './removal-tally.ts';
import type { Status } from './status.ts';
import { verificationScope } from './verification-scope.ts';

export interface RegistryOperationsOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly status: Status;
  readonly pins: Pins;
  readonly eviction: Eviction;
  readonly removal: Removal;
  readonly purging: Purging;
  readonly refreshing: Refreshing;
  readonly garbage: Garbage;
  readonly retention: Retention;
  readonly warmer: Warmer;
  readonly verification: Verification;
  readonly scrub: Scrub;
}

/** What is younger than this may be part of a pull that is under way. */
const GARBAGE_GRACE_MS = 3_600_000;
/** Nobody follows the work. */
const UNFOLLOWED: WorkOptions<unknown> = { signal: new AbortController().signal, onProgress: () => undefined };

/** {@link Operations} on the running registry: each is done by a part of its own. */
export class RegistryOperations implements Operations {
  readonly #options: RegistryOperationsOptions;

  constructor(options: RegistryOperationsOptions) {
    this.#options = options;
  }

  status(): Promise<StatusReport> {
    return this.#options.status.report();
  }

  async repositories(page: { prefix?: string; after?: string; limit: number }): Promise<RepositoryStatus[]> {
    return (await this.#options.index.summarize(page)).map(repositoryStatus);
  }

  async images({
    repository,
    after,
    limit,
  }: {
    repository: string;
    after?: string;
    limit: number;
  }): Promise<ImageStatus[]> {
    const { index, pins } = this.#options;
    const name = await requireHeldRepository(repository, this.#options);
    const roots = await index.listRoots({
      repository: name,
      limit,
      ...(after !== undefined && { after: { repository: name, digest: after } }),
    });
    return roots.map((root) => ({
      repository: root.repository,
      tags: root.tags,
      digest: root.digest,
      sizeBytes: root.sizeBytes,
      usedAtMs: root.usedAtMs,
      isPinned: pins.has(root),
    }));
  }

  async pins(): Promise<PinStatus[]> {
    return (await this.#options.pins.list()).map(pinStatus);
  }

  async pin(pattern: string): Promise<void> {
    await this.#options.pins.add(pinPattern(pattern, this.#options.upstreams));
  }

  async unpin(pattern: string): Promise<void> {
    const { pins, upstreams } = this.#options;
    // As it is listed it can be taken away whatever the configuration says now of its registry.
    if (await pins.remove(pattern)) return;
    const wanted = pinPattern(pattern, upstreams);
    if (await pins.remove(wanted)) return;
    const isConfigured = (await pins.list()).some((pin) => pin.origin === 'config' && pin.pattern === wanted);
    const why = isConfigured ? 'it stands in the configuration: remove it there' : 'there is no such pin';
    throw new OperationError('NOT_FOUND', `${wanted}: ${why}`);
  }

  purge(
    target: PurgeTarget,
    options: { dryRun: boolean },
    work: WorkOptions<RemovalProgress> = UNFOLLOWED,
  ): Promise<RemovalReport> {
    return this.#options.purging.purge(target, options, work);
  }

  refresh(image: string, work: WorkOptions<RefreshProgress> = UNFOLLOWED): Promise<RefreshReport[]> {
    return this.#options.refreshing.refresh(image, work);
  }

  async evict(
    { toBytes, dryRun }: { toBytes: number; dryRun: boolean },
    { signal, onProgress }: WorkOptions<RemovalProgress> = UNFOLLOWED,
  ): Promise<RemovalReport> {
    const { eviction, status } = this.#options;
    const tally = new RemovalTally(dryRun);
    tally.addPinned(await eviction.pinnedImages());
    const { contentBytes, inFlightBytes, otherBytes } = await status.figures();
    let excessBytes = contentBytes + inFlightBytes + otherBytes - toBytes;
    signal.throwIfAborted();
    if (!dryRun) {
      let removedBytes = 0;
      await eviction.evictTo(toBytes, (roots, freed) => {
        tally.add(roots, freed);
        removedBytes += freed.bytes;
        onProgress(tally.progress(removedBytes / Math.max(1, excessBytes)));
        // What this throws ends the eviction.
        signal.throwIfAborted();
      });
      return tally.report();
    }
    for await (const root of eviction.candidates()) {
      if (excessBytes <= 0) break;
      excessBytes -= root.diskBytes;
      tally.add([root], { blobs: 0, bytes: 0 });
    }
    tally.addFreed(await this.#options.removal.preview(tally.roots));
    return tally.report();
  }

  collectGarbage({ dryRun }: { dryRun: boolean }): Promise<GarbageReport> {
    return this.#options.garbage.collect({ isDryRun: dryRun, graceMs: GARBAGE_GRACE_MS });
  }

  retention(options: { dryRun: boolean }): Promise<RetentionReport> {
    return this.#options.retention.run(options);
  }

  warm(request: WarmRequest, options: WorkOptions<WarmProgress>): Promise<WarmReport> {
    return this.#options.warmer.warm(request, options);
  }

  async verify(request: VerifyRequest, options: WorkOptions<VerifyProgress>): Promise<VerifyReport> {
    const { bytesPerSecond } = request;
    return this.#options.verification.run(await verificationScope(request, this.#options), {
      ...options,
      ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    });
  }

  async startScrub(): Promise<ScrubStatus> {
    await this.#options.scrub.startNow();
    return this.#options.status.scrub();
  }

  async setOffline(upstream: string, isOffline: boolean): Promise<UpstreamStatus> {
    const { upstreams, status } = this.#options;
    if (!upstreams.has(upstream)) throw new OperationError('NOT_FOUND', `"${upstream}" is no upstream here`);
    const site = upstreams.get(upstreams.canonicalName(upstream));
    site.isOffline = isOffline;
    return status.upstream(site);
  }

  async backup(file: string): Promise<{ sizeBytes: number }> {
    await this.#options.index.backup(file);
    return { sizeBytes: (await stat(file)).size };
  }
}

function repositoryStatus({ repository, tags, roots, sizeBytes, usedAtMs }: RepositorySummary): RepositoryStatus {
  return { repository, tags, images: roots, sizeBytes, ...(usedAtMs !== undefined && { usedAtMs }) };
}

function pinStatus({ pattern, origin, atMs }: Pin): PinStatus {
  return { pattern, origin, ...(atMs !== undefined && { atMs }) };
}
