import type { UpstreamReport } from '../../upstream/upstream.ts';
import type { WebhookStatus } from '../events/webhook.ts';

export type { WebhookStatus } from '../events/webhook.ts';

/** The disk, as its operator has to know it. All sizes as the disk counts them. */
export interface DiskReport {
  /** Stored content. */
  readonly contentBytes: number;
  readonly blobs: number;
  /** Reserved for downloads under way, and kept of interrupted ones. */
  readonly inFlightBytes: number;
  /** The index, and what was put aside as damaged. */
  readonly otherBytes: number;
  /** Absent: no quota. */
  readonly quotaBytes?: number;
  readonly minFreeBytes: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Stored content of pinned images, each digest once. */
  readonly pinnedBytes: number;
  readonly isEvicting: boolean;
}

export interface UpstreamStatus extends UpstreamReport {
  readonly name: string;
  readonly isOffline: boolean;
  readonly contentBytes: number;
  readonly quotaBytes?: number;
}

/** One download under way. */
export interface FillStatus {
  readonly digest: string;
  readonly repository: string;
  /** Undefined until an upstream tells. */
  readonly sizeBytes?: number;
  readonly receivedBytes: number;
  readonly readers: number;
  readonly seconds: number;
  /** False: it is streamed through and not kept. */
  readonly isKept: boolean;
}

export interface HitRatio {
  readonly hits: number;
  readonly misses: number;
}

export interface StatusReport {
  readonly site: string;
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly disk: DiskReport;
  /** Since the start. */
  readonly lookups: { readonly manifest: HitRatio; readonly blob: HitRatio };
  readonly fills: readonly FillStatus[];
  readonly upstreams: readonly UpstreamStatus[];
  readonly scrub: ScrubStatus;
  readonly webhooks: readonly WebhookStatus[];
}

export interface ScrubStatus {
  readonly isRunning: boolean;
  /** When the last full round ended, in ms since the epoch. */
  readonly completedAtMs?: number;
  readonly everyMs?: number;
}

export interface RepositoryStatus {
  readonly repository: string;
  readonly tags: number;
  readonly images: number;
  readonly sizeBytes: number;
  readonly usedAtMs?: number;
}

export interface ImageStatus {
  readonly repository: string;
  readonly tags: readonly string[];
  readonly digest: string;
  readonly sizeBytes: number;
  readonly usedAtMs: number;
  readonly isPinned: boolean;
}

export interface PinStatus {
  readonly pattern: string;
  /** `config` ones can be changed there only. */
  readonly origin: 'config' | 'operator';
  readonly atMs?: number;
}

/** What to remove: an image by name, a repository with all it holds, or all of an upstream. */
export type PurgeTarget = { readonly image: string } | { readonly repository: string } | { readonly upstream: string };

/** What was removed, or with `dryRun` would be. */
export interface RemovalReport {
  readonly isDryRun: boolean;
  /** The first thousand. */
  readonly images: readonly {
    readonly repository: string;
    readonly tags: readonly string[];
    readonly digest: string;
  }[];
  readonly imageCount: number;
  readonly blobs: number;
  readonly freedBytes: number;
  /** Pinned images: those that an eviction passed over, or that a purge took with the others. */
  readonly pinned: number;
}

/** What was removed so far. */
export interface RemovalProgress {
  readonly imageCount: number;
  readonly freedBytes: number;
  /** How much of the work is done, as far as that can be said: 0 to 1. */
  readonly share: number;
}

export interface GarbageReport {
  readonly isDryRun: boolean;
  /** Blobs that no manifest refers to and nobody has pulled lately. */
  readonly looseBlobs: number;
  /** Downloads that were broken off and that nobody asked for again. */
  readonly interruptedIngests: number;
  /** Leftovers of crashes, and damaged files that were put aside. */
  readonly debris: number;
  /** Rows of the index that nothing needs. */
  readonly rows: number;
  readonly freedBytes: number;
}

/** What retention removed, or with `dryRun` would have. */
export interface RetentionReport {
  readonly isDryRun: boolean;
  /** Repositories that have a rule of retention. */
  readonly repositories: number;
  readonly tags: number;
  /** Images that had no tag, or have none any more. */
  readonly manifests: number;
  /** The first thousand of both. */
  readonly removed: readonly { readonly repository: string; readonly tag?: string; readonly digest: string }[];
}

/** What became of one tag, or of one image that was asked for by digest. */
export interface RefreshReport {
  readonly reference: string;
  readonly result: 'unchanged' | 'moved' | 'gone' | 'failed';
  readonly digest?: string;
  readonly error?: string;
}

export interface RefreshProgress {
  readonly tags: number;
  readonly tagsDone: number;
}

export interface WarmRequest {
  /** Names of images; the tag may be a pattern. */
  readonly images: readonly string[];
  /** Such as `linux/amd64`; empty: all. */
  readonly platforms: readonly string[];
  /** Blobs at once; default 3. */
  readonly concurrency?: number;
}

export interface WarmProgress {
  readonly images: number;
  readonly imagesDone: number;
  /** Blobs known so far. */
  readonly blobs: number;
  readonly blobsDone: number;
  readonly bytes: number;
  readonly bytesDone: number;
}

export interface WarmReport extends WarmProgress {
  readonly fetchedBytes: number;
  readonly failures: readonly { readonly image: string; readonly error: string }[];
}

/** What to re-hash: nothing named, everything. */
export interface VerifyRequest {
  readonly image?: string;
  readonly repository?: string;
  /** Default: as fast as the disk is. */
  readonly bytesPerSecond?: number;
}

export interface VerifyProgress {
  readonly blobs: number;
  readonly blobsDone: number;
  readonly bytes: number;
  readonly bytesDone: number;
}

export interface VerifyReport extends VerifyProgress {
  readonly damaged: readonly string[];
  readonly missing: readonly string[];
  /** Of those, what was fetched again. */
  readonly healed: readonly string[];
}

/** A long piece of work as its operator follows it. */
export interface WorkOptions<Progress> {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/**
 * What operators can do. Errors are {@link OperationError} for what they asked wrongly, RegistryErrors and those of the
 * layers below for what went wrong.
 */
export interface Operations {
  status(): Promise<StatusReport>;
  /** In byte order, those after `after`. */
  repositories(page: { prefix?: string; after?: string; limit: number }): Promise<RepositoryStatus[]>;
  /** Images of one repository by digest, those after `after`. */
  images(page: { repository: string; after?: string; limit: number }): Promise<ImageStatus[]>;
  pins(): Promise<PinStatus[]>;
  pin(pattern: string): Promise<void>;
  /** @throws OperationError NOT_FOUND if there is no such pin of an operator */
  unpin(pattern: string): Promise<void>;
  /** Ended early by its signal it leaves what it did not come to. */
  purge(target: PurgeTarget, options: { dryRun: boolean }, work?: WorkOptions<RemovalProgress>): Promise<RemovalReport>;
  /** Asks the upstream now whether the image's tag, or all cached tags of the repository if it has none, moved. */
  refresh(image: string, work?: WorkOptions<RefreshProgress>): Promise<RefreshReport[]>;
  /** Ended early by its signal it leaves what it did not come to. */
  evict(target: { toBytes: number; dryRun: boolean }, work?: WorkOptions<RemovalProgress>): Promise<RemovalReport>;
  collectGarbage(options: { dryRun: boolean }): Promise<GarbageReport>;
  /** Removes from hosted repositories what no rule of retention keeps. */
  retention(options: { dryRun: boolean }): Promise<RetentionReport>;
  warm(request: WarmRequest, options: WorkOptions<WarmProgress>): Promise<WarmReport>;
  verify(request: VerifyRequest, options: WorkOptions<VerifyProgress>): Promise<VerifyReport>;
  /** Starts a round of the background scrub now, unless one is running. */
  startScrub(): Promise<ScrubStatus>;
  /** Until the next start, which takes the configuration's word again. */
  setOffline(upstream: string, isOffline: boolean): Promise<UpstreamStatus>;
  /** Writes a consistent copy of the index to a new file. */
  backup(file: string): Promise<{ sizeBytes: number }>;
}
