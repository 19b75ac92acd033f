import type { JobIndex, JobRecord, ReplicationJob } from '../metadata/replication-index.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import type { Attempt, Ending } from './attempt.ts';
import type { CopyResult } from './copying/copy.ts';
import { type FailureKind, judgeFailure, kindOfFailure, MissingError, type Verdict } from './judge-failure.ts';
import type { JobEnd } from './link.ts';
import type { PeerHealth } from './peer-health.ts';

export interface ConclusionsOptions {
  readonly index: Pick<JobIndex, 'finishJob' | 'returnJob'>;
  readonly health: PeerHealth;
  readonly telemetry: Telemetry;
}

/** How a job failed up to now. */
interface Failures {
  readonly kind: FailureKind;
  readonly tries: number;
}

interface Failure extends Failures {
  readonly error: unknown;
  readonly reason: string;
}

/** Errors are shown as they are, but for what a peer may make of them. */
const MAX_REASON_LENGTH = 500;

/** Writes down what became of tries, and says how it goes on. */
export class Conclusions {
  readonly #options: ConclusionsOptions;
  /** Of jobs that failed and come again; a job that failed in another way has all its tries. */
  readonly #failures = new Map<number, Failures>();
  /** Rules whose deletions are held. */
  readonly #held = new Set<string>();

  constructor(options: ConclusionsOptions) {
    this.#options = options;
  }

  /** @throws MetadataError: the job counts as running until its lease ends */
  async conclude(attempt: Attempt, ending: Ending): Promise<JobEnd> {
    const { job } = attempt;
    if (ending.kind === 'failed') return this.#failed(attempt, ending.error);
    if (ending.kind === 'done') {
      const { result } = ending;
      // A job that had nothing to ask of the peer says nothing of it.
      if (attempt.hasAsked) this.#options.health.worked();
      if (result.outcome === 'incomplete') return this.#failed(attempt, new MissingError(result.missing));
      return this.#done(attempt, result);
    }
    const { dueAtMs, attempts, reason } = job;
    const how = { state: 'pending', dueAtMs, attempts, reason } as const;
    await this.#options.index.returnJob(job.id, how, undefined);
    return { job, kind: 'broken off', error: undefined };
  }

  /** It waits for an operator, who may approve it. @throws MetadataError */
  async hold({ job, link }: Attempt, reason: string): Promise<JobEnd> {
    const { repository, reference, dueAtMs, attempts } = job;
    await this.#options.index.returnJob(job.id, { state: 'held', dueAtMs, attempts, reason }, undefined);
    const isFirst = !this.#held.has(job.rule);
    this.#held.add(job.rule);
    this.#options.telemetry.replication.deletionHeld({ ...link.name, repository, reference, reason, isFirst });
    return { job, kind: 'held', error: reason };
  }

  async #done({ job, link, startedAtMs, sentBytes }: Attempt, result: CopyResult): Promise<JobEnd> {
    const { outcome, digest } = result;
    const record = recordOf(job, { startedAtMs, sentBytes, outcome, digest });
    await this.#options.index.finishJob(job, record);
    this.#failures.delete(job.id);
    if (job.deleted !== undefined) this.#held.delete(job.rule);
    link.tally.done(result);
    this.#options.telemetry.replication.jobDone({ ...eventOf(record), outcome, digest });
    return { job, kind: 'done', error: undefined };
  }

  async #failed(attempt: Attempt, error: unknown): Promise<JobEnd> {
    const { health } = this.#options;
    const { job, link } = attempt;
    const kind = kindOfFailure(error, link.name.peer);
    if (kind === 'peer') health.failed(error);
    else if (isDoubtful(error)) health.check();
    const tries = this.#count(job, kind);
    const verdict = judgeFailure(kind, tries, Math.random());
    const reason = describeError(error).error.slice(0, MAX_REASON_LENGTH);
    if (kind !== 'missing') link.tally.failed(`${job.repository} ${job.reference}: ${reason}`);
    const failure = { kind, tries, error, reason };
    if (verdict.kind === 'retry') await this.#retry(attempt, verdict, failure);
    else if (verdict.kind === 'parked') await this.#park(attempt, failure);
    else await this.#giveUp(attempt, failure);
    return { job, kind: verdict.kind, error: reason };
  }

  async #retry(attempt: Attempt, verdict: Verdict & { kind: 'retry' }, failure: Failure): Promise<void> {
    const { index, telemetry } = this.#options;
    const { job, startedAtMs, sentBytes } = attempt;
    const { kind, tries, error, reason } = failure;
    const { state, delayMs, counts } = verdict;
    const outcome = kind === 'missing' ? 'incomplete' : 'failed';
    const record = recordOf(job, { startedAtMs, sentBytes, outcome, error: reason });
    const attempts = counts ? tries : job.attempts;
    // Each image that is pulled here for the first time is waited for a little.
    const isWorthNoting = kind !== 'missing' || sentBytes > 0;
    const dueAtMs = Date.now() + delayMs;
    await index.returnJob(job.id, { state, dueAtMs, attempts, reason }, isWorthNoting ? record : undefined);
    this.#failures.set(job.id, { kind, tries });
    const event = { ...eventOf(record), tries, retryMs: delayMs, error };
    if (kind === 'missing') telemetry.replication.jobWaits(event);
    else telemetry.replication.jobFailed({ ...event, isPeerDown: kind === 'peer' });
  }

  async #park(attempt: Attempt, failure: Failure): Promise<void> {
    const { index, telemetry } = this.#options;
    const { job, startedAtMs, sentBytes } = attempt;
    const { tries, error, reason } = failure;
    const record = recordOf(job, { startedAtMs, sentBytes, outcome: 'parked', error: reason });
    const how = { state: 'parked', dueAtMs: job.dueAtMs, attempts: tries, reason } as const;
    await index.returnJob(job.id, how, record);
    this.#failures.delete(job.id);
    telemetry.replication.jobParked({ ...eventOf(record), tries, error });
  }

  /** What is missing will not come: an event tells if it does. */
  async #giveUp({ job, startedAtMs, sentBytes }: Attempt, { tries, error, reason }: Failure): Promise<void> {
    const record = recordOf(job, { startedAtMs, sentBytes, outcome: 'incomplete', error: reason });
    await this.#options.index.finishJob(job, record);
    this.#failures.delete(job.id);
    this.#options.telemetry.replication.jobGivenUp({ ...eventOf(record), tries, error });
  }

  /** How many tries failed in this way, one after the other. */
  #count(job: ReplicationJob, kind: FailureKind): number {
    const before = this.#failures.get(job.id);
    // Of an earlier run of the program it is not known how they failed.
    if (!before) return kind === 'peer' ? 1 : job.attempts + 1;
    if (before.kind !== kind) return 1;
    // Something newer was asked for since, or an operator wants it tried again.
    const isAnew = kind !== 'peer' && job.attempts !== before.tries;
    return isAnew ? 1 : before.tries + 1;
  }
}

/** What is there may be something else by now, or know us no more; or it is about this repository alone. */
function isDoubtful(error: unknown): boolean {
  return error instanceof UpstreamError && (error.code === 'INVALID' || error.status === 401);
}

function recordOf(
  { rule, peer, repository, reference }: ReplicationJob,
  how: { startedAtMs: number; sentBytes: number; outcome: string; digest?: string | undefined; error?: string },
): JobRecord {
  const { startedAtMs, sentBytes, outcome, digest, error } = how;
  const durationMs = Math.max(0, Date.now() - startedAtMs);
  return { rule, peer, repository, reference, digest, outcome, startedAtMs, durationMs, sentBytes, error };
}

function eventOf({ rule, peer, repository, reference, durationMs, sentBytes }: JobRecord) {
  return { rule, peer, repository, reference, seconds: durationMs / 1000, sentBytes };
}
