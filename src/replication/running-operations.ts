import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobRecord, ReplicationJob } from '../metadata/replication-index.ts';
import { OperationError } from '../registry/operations/operation-error.ts';
import type { WorkOptions } from '../registry/operations/operations.ts';
import type { DeletionGuard } from './comparing/deletion-guard.ts';
import { diff } from './comparing/diff.ts';
import { dryRun } from './comparing/dry-run.ts';
import type { Here } from './comparing/here.ts';
import type { LinkPart } from './link-part.ts';
import type { Pause } from './pauses.ts';
import type { Pausing } from './pausing.ts';
import type { PeerSite } from './peer-site.ts';
import type {
  ConflictStatus,
  DiffProgress,
  DiffReport,
  HistoryStatus,
  JobState,
  JobStatus,
  ReplicateProgress,
  ReplicateReport,
  ReplicateRequest,
  ReplicationOperations,
  ReplicationStatus,
} from './replication-operations.ts';
import type { ReplicationRule } from './rule.ts';
import { runLinks } from './run-links.ts';

export interface RunningOperationsOptions {
  readonly here: Here;
  readonly guard: DeletionGuard;
  readonly rules: readonly ReplicationRule[];
  readonly links: readonly LinkPart[];
  readonly sites: readonly PeerSite[];
  readonly pausing: Pausing;
  readonly status: () => Promise<ReplicationStatus>;
  readonly patienceMs: number;
}

const PAGE = 500;

/** {@link ReplicationOperations} on the running replication. */
export class RunningOperations implements ReplicationOperations {
  readonly #options: RunningOperationsOptions;

  constructor(options: RunningOperationsOptions) {
    this.#options = options;
  }

  status(): Promise<ReplicationStatus> {
    return this.#options.status();
  }

  async jobs(query: Pause & { state?: JobState; after?: number; limit: number }): Promise<JobStatus[]> {
    this.#linksOf(query);
    const jobs = await this.#options.here.index.listJobs(query);
    return jobs.map((job) => this.#jobStatus(job));
  }

  async history(query: Pause & { before?: number; limit: number }): Promise<HistoryStatus[]> {
    this.#linksOf(query);
    return (await this.#options.here.index.listJobRecords(query)).map(historyStatus);
  }

  conflicts(query: { before?: number; limit: number }): Promise<ConflictStatus[]> {
    return this.#options.here.index.listConflicts(query);
  }

  async replicate(
    { rule, peer, dryRun: isDryRun, now }: ReplicateRequest,
    options: WorkOptions<ReplicateProgress>,
  ): Promise<ReplicateReport> {
    const { here, patienceMs } = this.#options;
    const links = this.#linksOf({ rule, ...(peer !== undefined && { peer }) });
    if (isDryRun) {
      return dryRun(
        here,
        links.map(({ link }) => link),
        options,
      );
    }
    const paused = links.find(({ link }) => now && link.isPaused);
    if (paused) throw new OperationError('INVALID', `${rule} to ${paused.link.name.peer} is paused; resume it first`);
    return runLinks(links, { index: here.index, isWaitedFor: now, patienceMs }, options);
  }

  async diff(query: { peer: string; rule?: string }, options: WorkOptions<DiffProgress>): Promise<DiffReport> {
    const [first, ...rest] = this.#linksOf(query);
    if (!first) throw new OperationError('NOT_FOUND', `no rule sends anything to ${query.peer}`);
    const rules = [first, ...rest].map(({ link }) => link.rule);
    return diff(this.#options.here, { peer: first.link.peer, rules, pace: first.site.pace }, options);
  }

  async pause(what: Pause): Promise<void> {
    const links = this.#linksOf(what);
    await this.#options.pausing.pause(what);
    for (const { site } of links) site.workers.wake();
  }

  async resume(what: Pause): Promise<void> {
    const links = this.#linksOf(what);
    const all = this.#options.links.map(({ link }) => link.name);
    await this.#options.pausing.resume(what, all);
    for (const { site } of links) site.workers.wake();
  }

  async retry({ job: id, ...what }: Pause & { job?: number }): Promise<{ jobs: number }> {
    const { index } = this.#options.here;
    const links = this.#linksOf(what);
    let jobs = 0;
    if (id === undefined) {
      jobs = await index.retryJobs({ ...what, states: ['parked', 'waiting'] });
      for (const failed of await this.#failedJobs(what))
        jobs += await index.retryJobs({ id: failed, states: ['pending'] });
    } else {
      await this.#checkRetry(id);
      jobs = await index.retryJobs({ id, states: ['parked', 'waiting', 'pending'] });
    }
    for (const { site } of links) {
      site.health.check();
      site.workers.wake();
    }
    return { jobs };
  }

  async approve(what: { rule: string; peer: string }): Promise<{ jobs: number }> {
    const links = this.#linksOf(what);
    const jobs = await this.#options.guard.approve(what);
    for (const { site } of links) site.workers.wake();
    return { jobs };
  }

  /** Jobs that failed and come again. One that has not been tried may have to wait for a reason. */
  async #failedJobs(what: Pause): Promise<number[]> {
    const failed: number[] = [];
    for (let after: number | undefined = 0; after !== undefined; await nextTurn()) {
      const query = { ...what, state: 'pending' as const, after, limit: PAGE };
      const jobs: ReplicationJob[] = await this.#options.here.index.listJobs(query);
      failed.push(...jobs.filter(({ attempts }) => attempts > 0).map(({ id }) => id));
      after = jobs.length < PAGE ? undefined : jobs.at(-1)?.id;
    }
    return failed;
  }

  async #checkRetry(id: number): Promise<void> {
    const [job] = await this.#options.here.index.listJobs({ after: id - 1, limit: 1 });
    if (job?.id !== id) throw new OperationError('NOT_FOUND', `there is no job ${id}: it may be done`);
    if (job.state === 'held') throw new OperationError('INVALID', `job ${id} waits to be approved`);
    const isEarly = job.deleted !== undefined && job.state === 'pending' && job.dueAtMs > Date.now();
    if (isEarly && job.attempts === 0) throw new OperationError('INVALID', `job ${id} is in its time of grace`);
  }

  #jobStatus(job: ReplicationJob): JobStatus {
    const { deleted, sizeBytes, reason, sequence: _, priority: __, progress: ___, ...rest } = job;
    const site = this.#options.sites.find(({ limits }) => limits.name === job.peer);
    const sentBytes = site?.workers.sentBytesOf(job.id);
    return {
      ...rest,
      isDeletion: deleted !== undefined,
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(sentBytes !== undefined && { sentBytes }),
      ...(reason !== undefined && { reason }),
    };
  }

  /** @throws OperationError NOT_FOUND for a rule or a peer that there is not, or that have nothing to do with each other */
  #linksOf({ rule, peer }: Pause): readonly LinkPart[] {
    const { links, rules } = this.#options;
    if (rule !== undefined && !rules.some(({ name }) => name === rule)) {
      throw new OperationError('NOT_FOUND', `"${rule}" is no rule of replication here`);
    }
    const found = links.filter(
      ({ link }) => (rule ?? link.name.rule) === link.name.rule && (peer ?? link.name.peer) === link.name.peer,
    );
    if (found.length > 0 || peer === undefined) return found;
    const what = rule === undefined ? 'no rule sends' : `rule "${rule}" does not send`;
    throw new OperationError('NOT_FOUND', `${what} anything to a peer "${peer}"`);
  }
}

function historyStatus({ digest, error, ...record }: JobRecord & { readonly id: number }): HistoryStatus {
  return { ...record, ...(digest !== undefined && { digest }), ...(error !== undefined && { error }) };
}
