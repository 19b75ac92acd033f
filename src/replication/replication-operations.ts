import type { WorkOptions } from '../registry/operations/operations.ts';

export type JobState = 'pending' | 'running' | 'waiting' | 'parked' | 'held';

/** One rule and one of its peers. */
export interface LinkStatus {
  readonly rule: string;
  readonly peer: string;
  /** Seconds since the oldest event that is not there yet; 0: all is there. Content that is not here yet does not count. */
  readonly lagSeconds: number;
  /** Jobs by what they wait for. `waiting`: for content that is not here yet; `held`: for an operator. */
  readonly jobs: Readonly<Record<JobState, number>>;
  /** Of jobs not done, as their images are here: shared layers count for each. */
  readonly pendingBytes: number;
  readonly sentBytes: number;
  readonly isPaused: boolean;
  /** Outside of its time window. */
  readonly isOutsideWindow: boolean;
  /** The peer does not take indexes with a part of their children, and gets all of them. */
  readonly isSparseRefused: boolean;
  readonly lastDoneAtMs?: number;
  readonly lastError?: { readonly atMs: number; readonly message: string };
}

export interface PeerStatus {
  readonly name: string;
  /** Its own name, if it is an entrepot and has told. */
  readonly site?: string;
  readonly isUp: boolean;
  readonly downSinceMs?: number;
  readonly error?: string;
  /** When it is tried again. */
  readonly retryAtMs?: number;
}

export interface ReplicationStatus {
  readonly links: readonly LinkStatus[];
  readonly peers: readonly PeerStatus[];
  /** Tags that were set at two sites at once, since the beginning. */
  readonly conflicts: number;
}

export interface JobStatus {
  readonly id: number;
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  readonly reference: string;
  readonly isDeletion: boolean;
  readonly state: JobState;
  readonly sinceMs: number;
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly sizeBytes?: number;
  /** Of `running`: sent so far. */
  readonly sentBytes?: number;
  readonly reason?: string;
}

export interface HistoryStatus {
  readonly id: number;
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  readonly reference: string;
  readonly digest?: string;
  /** {@link CopyResult.outcome}, `failed` or `parked`. */
  readonly outcome: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly sentBytes: number;
  readonly error?: string;
}

export interface ConflictStatus {
  readonly id: number;
  readonly atMs: number;
  readonly repository: string;
  readonly tag: string;
  /** What the tag points at. */
  readonly kept: { readonly digest: string; readonly site: string };
  /** What it would have pointed at; it is kept by digest. */
  readonly lost: { readonly digest: string; readonly site: string };
}

export interface ReplicateRequest {
  readonly rule: string;
  /** One of the rule's peers; absent: all. */
  readonly peer?: string;
  /** Only say what would be done. */
  readonly dryRun: boolean;
  /** Outside of time windows too, and wait until it is done. */
  readonly now: boolean;
}

export interface ReplicateProgress {
  readonly references: number;
  readonly referencesDone: number;
  readonly sentBytes: number;
}

export interface ReplicateReport extends ReplicateProgress {
  readonly isDryRun: boolean;
  readonly isWaitedFor: boolean;
  /** Those that differ at the peer, the first thousand. */
  readonly differences: readonly Difference[];
  readonly failures: readonly { readonly peer: string; readonly reference: string; readonly error: string }[];
}

/** `missing`: not at the peer. `different`: another digest. `extra`: not here. `deleted`: deleted here, still at the peer. */
export interface Difference {
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  /** Or the digest of a manifest that has none, or is attached to another. */
  readonly tag: string;
  readonly kind: 'missing' | 'different' | 'extra' | 'deleted';
  readonly here?: string;
  readonly there?: string;
}

export interface DiffProgress {
  readonly repositories: number;
  readonly repositoriesDone: number;
  readonly tags: number;
}

export interface DiffReport extends DiffProgress {
  readonly peer: string;
  readonly same: number;
  /** The first thousand. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

/** What operators can do about replication. Errors as {@link Operations} has them. */
export interface ReplicationOperations {
  status(): Promise<ReplicationStatus>;
  /** By number, those after `after`. */
  jobs(query: { rule?: string; peer?: string; state?: JobState; after?: number; limit: number }): Promise<JobStatus[]>;
  /** Newest first, those before `before`. */
  history(query: { rule?: string; peer?: string; before?: number; limit: number }): Promise<HistoryStatus[]>;
  /** Newest first, those before `before`. */
  conflicts(query: { before?: number; limit: number }): Promise<ConflictStatus[]>;
  replicate(request: ReplicateRequest, options: WorkOptions<ReplicateProgress>): Promise<ReplicateReport>;
  /** Compares what the rules send to the peer with what is there. @param query.rule this one only */
  diff(query: { peer: string; rule?: string }, options: WorkOptions<DiffProgress>): Promise<DiffReport>;
  /** Neither rule nor peer: everything. What runs is broken off and goes on later. Survives a restart. */
  pause(what: { rule?: string; peer?: string }): Promise<void>;
  resume(what: { rule?: string; peer?: string }): Promise<void>;
  /** Parked jobs, or all that wait for another try, are due now. @returns how many */
  retry(what: { rule?: string; peer?: string; job?: number }): Promise<{ jobs: number }>;
  /** Deletions that are held may go on. @returns how many */
  approve(what: { rule: string; peer: string }): Promise<{ jobs: number }>;
}
