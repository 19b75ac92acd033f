import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobControlIndex, ReplicationJob } from '../metadata/replication-index.ts';
import { Alarm } from '../util/alarm.ts';
import type { JobEnd, Link } from './link.ts';
import type { PeerStatus } from './replication-operations.ts';

export interface FollowOptions {
  readonly index: Pick<JobControlIndex, 'listJobs'>;
  readonly link: Link;
  /** How the peer is. */
  readonly peer: () => PeerStatus;
  readonly signal: AbortSignal;
  readonly onFound: (references: number) => void;
  /** One is done, or nobody waits for it any longer. */
  readonly onDone: () => void;
  /** Why one is not done. */
  readonly onFailure: (reference: string, error: string) => void;
  /** A peer that is down is waited for so long. */
  readonly patienceMs: number;
}

/** A job that fails so often is left to itself. */
const MAX_TRIES = 3;
const PAGE = 500;
const LOOK_MS = 1000;

/**
 * Waits until the jobs that a link has are done, or have failed often enough that nobody waits for them: they go on by
 * themselves. Deletions in their time of grace are not waited for.
 * @param begin makes the jobs; what ends meanwhile counts
 * @throws what `begin` throws, MetadataError; the signal's reason
 */
export async function followJobs(options: FollowOptions, begin: () => Promise<unknown>): Promise<void> {
  const followed = new FollowedJobs(options);
  using _following = options.link.follow((end) => followed.ended(end));
  await begin();
  await followed.find();
  await followed.untilDone();
}

class FollowedJobs {
  readonly #options: FollowOptions;
  readonly #startedAtMs = Date.now();
  readonly #open = new Map<number, ReplicationJob>();
  readonly #tries = new Map<number, number>();
  /** Those that ended before they were found, and why they did if they are not done. */
  #early: Map<number, { readonly job: ReplicationJob; readonly failure: string | undefined }> | undefined = new Map();
  /** How often each was done: one that was asked for anew while it ran is done again. */
  readonly #done = new Map<number, number>();
  readonly #alarm = new Alarm();

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  ended({ job, kind, error }: JobEnd): void {
    if (kind === 'broken off') return;
    const tries = (this.#tries.get(job.id) ?? 0) + 1;
    this.#tries.set(job.id, tries);
    if (kind === 'retry' && tries < MAX_TRIES) return;
    const failure = kind === 'done' ? undefined : (error ?? kind);
    if (this.#early) this.#early.set(job.id, { job, failure });
    else this.#settle(job, failure);
  }

  async find(): Promise<void> {
    for await (const job of this.#jobs()) this.#open.set(job.id, job);
    const early = this.#early ?? new Map<number, never>();
    this.#early = undefined;
    for (const { job } of early.values()) this.#open.set(job.id, job);
    this.#options.onFound(this.#open.size);
    for (const { job, failure } of early.values()) this.#settle(job, failure);
    for (const job of this.#open.values()) {
      if (job.state === 'parked' || job.state === 'held') this.#settle(job, job.reason ?? job.state);
    }
  }

  async untilDone(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = () => this.#alarm.ring();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      do await this.#untilEmpty();
      while (await this.#reopen());
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #untilEmpty(): Promise<void> {
    const { signal } = this.#options;
    while (this.#open.size > 0) {
      signal.throwIfAborted();
      await this.#alarm.wait(LOOK_MS);
      const reason = this.#reasonToLeave();
      if (reason !== undefined) for (const job of this.#open.values()) this.#settle(job, reason);
    }
    signal.throwIfAborted();
  }

  /** Those that ran when they were asked for are waited for once more, no longer: others may ask for them all the time. */
  async #reopen(): Promise<boolean> {
    for await (const job of this.#jobs()) if (this.#done.get(job.id) === 1) this.#open.set(job.id, job);
    return this.#open.size > 0;
  }

  async *#jobs(): AsyncGenerator<ReplicationJob, void> {
    const { index, link, signal } = this.#options;
    for (let after: number | undefined = 0; after !== undefined; await nextTurn()) {
      signal.throwIfAborted();
      const jobs: ReplicationJob[] = await index.listJobs({ ...link.name, after, limit: PAGE });
      yield* jobs.filter(({ deleted, dueAtMs }) => deleted === undefined || dueAtMs <= this.#startedAtMs);
      after = jobs.length < PAGE ? undefined : jobs.at(-1)?.id;
    }
  }

  #settle(job: ReplicationJob, failure: string | undefined): void {
    if (!this.#open.delete(job.id)) return;
    const { onDone, onFailure } = this.#options;
    const timesDone = this.#done.get(job.id) ?? 0;
    if (timesDone === 0) onDone();
    if (failure === undefined) this.#done.set(job.id, timesDone + 1);
    else onFailure(nameOf(job), failure);
    if (this.#open.size === 0) this.#alarm.ring();
  }

  #reasonToLeave(): string | undefined {
    const { link, peer, patienceMs } = this.#options;
    if (link.isPaused) return 'it was paused';
    const { downSinceMs = Infinity, error = 'it does not answer' } = peer();
    const goneMs = Date.now() - Math.max(downSinceMs, this.#startedAtMs);
    return goneMs > patienceMs ? `the peer is down: ${error}` : undefined;
  }
}

function nameOf({ repository, reference }: ReplicationJob): string {
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`;
}
