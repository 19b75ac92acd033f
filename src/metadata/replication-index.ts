import type { Digest } from '../oci/digest.ts';
import type { HybridTime } from '../util/hybrid-clock.ts';

/** A tag, and which change of it was the last. */
export interface TagState {
  readonly digest: Digest;
  /** The site that moved it there, and the number of the event there. */
  readonly site: string;
  readonly sequence: number;
  readonly clock: HybridTime;
  /** What it pointed at before that site moved it, as often as it did so on its own. */
  readonly base: Digest | undefined;
}

/** A tag that was deleted, remembered for a time. */
export type TagTombstone = Omit<TagState, 'digest' | 'base'> & {
  /** What it pointed at. */
  readonly digest: Digest;
  /** What it pointed at before that site changed it, as often as it did so on its own. */
  readonly base?: Digest | undefined;
  readonly deletedAtMs: number;
};

/** The last change of a tag, for an index that is built anew. */
export interface TagClock extends Omit<TagState, 'digest'> {
  readonly repository: string;
  readonly tag: string;
  /** What it points at; of a tombstone: what it pointed at, undefined if that was never known. */
  readonly digest: Digest | undefined;
  /** Undefined: it is there. */
  readonly deletedAtMs: number | undefined;
}

/** Two sites changed a tag at once. */
export interface TagConflict {
  readonly id: number;
  readonly atMs: number;
  readonly repository: string;
  readonly tag: string;
  readonly kept: { readonly digest: Digest; readonly site: string };
  readonly lost: { readonly digest: Digest; readonly site: string };
  /** Which of the two was a deletion; its digest is what was deleted, as far as that is known. */
  readonly deletion?: 'kept' | 'lost';
}

/** Which change of a tag was the last, at whichever site: kept with each change of a tag. */
export interface TagClockIndex {
  /** Undefined if there is no such tag. */
  findTagState(repository: string, tag: string): Promise<TagState | undefined>;
  /**
   * Undefined if the tag is there, or was never deleted, or longer ago than is remembered; or if the deletion came from
   * another site, and what it was about was never known here.
   */
  findTombstone(repository: string, tag: string): Promise<TagTombstone | undefined>;
  /** Those of the repository in byte order of tags, those after `after`. */
  listTombstones(query: {
    repository: string;
    after?: string;
    limit: number;
  }): Promise<(TagTombstone & { readonly tag: string })[]>;
  /** Names of repositories that have some, in byte order, those after `after`; some of them hold nothing any more. */
  listTombstoneRepositories(page: { after?: string; limit: number }): Promise<string[]>;
  /** For an index that is built anew: those of tags that point where they say, and tombstones of tags that are gone. */
  restoreTagClocks(clocks: readonly TagClock[]): Promise<void>;
  /** Newest first, those before `before`. The thousand newest are kept. */
  listConflicts(query: { before?: number; limit: number }): Promise<TagConflict[]>;
  /** How many there ever were; an index that is built anew counts anew. */
  countConflicts(): Promise<number>;
}

/** What a job of replication is about: a reference that has to be made the same at a peer as it is here. */
export interface JobTarget {
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  /** A tag, or the digest of a manifest. */
  readonly reference: string;
}

/** `waiting`: for content that is not here yet. `parked`: refused. `held`: a deletion that an operator has to approve. */
export type JobState = 'pending' | 'running' | 'waiting' | 'parked' | 'held';

/** A job that is asked for. One that is there already for the same target takes over what is new, and is pending again. */
export interface NewJob extends JobTarget {
  /** Number of the newest event that asks for it; 0: none. */
  readonly sequence: number;
  /** When the oldest event happened that is not there yet; that of an older job of the same sort counts. */
  readonly sinceMs: number;
  readonly priority: number;
  /** Of a deletion: what was deleted here. */
  readonly deleted?: Digest;
  /** Not before that time; an older job of the other sort (copy, deletion) does not count. */
  readonly dueAtMs: number;
  /** Of the image here. */
  readonly sizeBytes?: number;
}

export interface ReplicationJob extends JobTarget {
  readonly id: number;
  readonly sequence: number;
  readonly sinceMs: number;
  readonly priority: number;
  readonly deleted: Digest | undefined;
  readonly dueAtMs: number;
  readonly sizeBytes: number | undefined;
  readonly state: JobState;
  /** Failed tries since it was asked for. */
  readonly attempts: number;
  /** Why it is not done. */
  readonly reason: string | undefined;
  /** What an earlier try left for the next one. */
  readonly progress: string | undefined;
}

/** Jobs of one rule and peer. */
export interface JobCount {
  readonly rule: string;
  readonly peer: string;
  readonly state: JobState;
  readonly isDeletion: boolean;
  readonly jobs: number;
  readonly sizeBytes: number;
  /** Of the oldest of them. */
  readonly sinceMs: number;
}

/** One try of a job that ended. */
export interface JobRecord extends JobTarget {
  readonly digest: string | undefined;
  readonly outcome: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly sentBytes: number;
  readonly error: string | undefined;
}

/** How a leased job goes on; see {@link JobIndex.returnJob}. */
export interface JobReturn {
  readonly state: Exclude<JobState, 'running'>;
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly reason: string | undefined;
}

/** What a peer does not have yet. Written without waiting for the disk: what a power cut takes back is found out anew. */
export interface JobIndex {
  /** In one transaction. */
  enqueueJobs(jobs: readonly NewJob[]): Promise<void>;
  /**
   * Jobs that are pending or waiting and due, those of the greatest priority first, then the oldest; they are running
   * then, until `untilMs`. Running ones whose time is over count as pending. @param query.except rules that are left out
   * @param query.longestDueFirst whatever their priority: one that failed is behind all that were not tried since
   */
  leaseJobs(query: {
    peer: string;
    except: readonly string[];
    nowMs: number;
    untilMs: number;
    limit: number;
    longestDueFirst?: boolean;
  }): Promise<ReplicationJob[]>;
  /** Goes on with it. @returns false if it is leased no more */
  renewJob(id: number, untilMs: number): Promise<boolean>;
  /** What the next try needs; waits for the disk. */
  saveJobProgress(id: number, progress: string | undefined): Promise<void>;
  /** It is done, unless something newer has been asked for since it was leased: then it is pending anew, as of that. */
  finishJob(job: Pick<ReplicationJob, 'id' | 'sequence'>, record: JobRecord): Promise<void>;
  /** It is not done; if something newer was asked for meanwhile it is pending and due at once. @param record undefined: it was not tried */
  returnJob(id: number, how: JobReturn, record: JobRecord | undefined): Promise<void>;
}

/** Looking at jobs, and what operators do about them. */
export interface JobControlIndex {
  countJobs(): Promise<JobCount[]>;
  /** By number, those after `after`. */
  listJobs(query: {
    rule?: string;
    peer?: string;
    state?: JobState;
    after?: number;
    limit: number;
  }): Promise<ReplicationJob[]>;
  /** When the next job of the peer is due, a running one when its lease ends; undefined: there is none. */
  nextJobDue(peer: string, except: readonly string[]): Promise<number | undefined>;
  /** Makes jobs that are in one of these states pending and due, with no tries counted; not running ones. @returns how many */
  retryJobs(query: { rule?: string; peer?: string; id?: number; states: readonly JobState[] }): Promise<number>;
  /** Takes away jobs of rules and peers that are not among these. Leases of an earlier run end. @returns how many went */
  pruneJobs(links: readonly { readonly rule: string; readonly peer: string }[]): Promise<number>;
  /** Tries that ended, newest first, those before `before`. The ten thousand newest are kept. */
  listJobRecords(query: {
    rule?: string;
    peer?: string;
    before?: number;
    outcome?: string;
    sinceMs?: number;
    limit: number;
  }): Promise<(JobRecord & { readonly id: number })[]>;
}
