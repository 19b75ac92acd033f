import type {
  JobControlIndex,
  JobCount,
  JobIndex,
  JobRecord,
  JobReturn,
  NewJob,
  ReplicationJob,
  TagClock,
  TagClockIndex,
  TagConflict,
  TagState,
  TagTombstone,
} from '../replication-index.ts';
import type { IndexParts } from './index-parts.ts';

/**
 * What of the index is about replication: clocks of tags, and jobs. An index that is built anew takes over the clocks;
 * jobs and their history it does not, since comparing with the peers finds anew what they lack.
 */
export class SqliteReplicationIndex implements TagClockIndex, JobIndex, JobControlIndex {
  readonly #parts: Pick<IndexParts, 'clocks' | 'conflicts' | 'jobs' | 'jobControl' | 'records'>;

  constructor(parts: IndexParts) {
    this.#parts = parts;
  }

  async findTagState(repository: string, tag: string): Promise<TagState | undefined> {
    return this.#parts.clocks.state(repository, tag);
  }

  async findTombstone(repository: string, tag: string): Promise<TagTombstone | undefined> {
    return this.#parts.clocks.tombstone(repository, tag);
  }

  async listTombstones(
    query: Parameters<TagClockIndex['listTombstones']>[0],
  ): Promise<(TagTombstone & { tag: string })[]> {
    return this.#parts.clocks.tombstones(query);
  }

  async listTombstoneRepositories(page: { after?: string; limit: number }): Promise<string[]> {
    return this.#parts.clocks.tombstoneRepositories(page);
  }

  async restoreTagClocks(clocks: readonly TagClock[]): Promise<void> {
    await this.#parts.clocks.restore(clocks);
  }

  async listConflicts(query: { before?: number; limit: number }): Promise<TagConflict[]> {
    return this.#parts.conflicts.list(query);
  }

  async countConflicts(): Promise<number> {
    return this.#parts.conflicts.count();
  }

  async enqueueJobs(jobs: readonly NewJob[]): Promise<void> {
    this.#parts.jobs.enqueue(jobs);
  }

  async leaseJobs(query: Parameters<JobIndex['leaseJobs']>[0]): Promise<ReplicationJob[]> {
    return this.#parts.jobs.lease(query);
  }

  async renewJob(id: number, untilMs: number): Promise<boolean> {
    return this.#parts.jobs.renew(id, untilMs);
  }

  async saveJobProgress(id: number, progress: string | undefined): Promise<void> {
    this.#parts.jobs.saveProgress(id, progress);
  }

  async finishJob({ id }: Pick<ReplicationJob, 'id'>, record: JobRecord): Promise<void> {
    this.#parts.jobs.finish(id, record);
  }

  async returnJob(id: number, how: JobReturn, record: JobRecord | undefined): Promise<void> {
    this.#parts.jobs.giveBack(id, how, record);
  }

  async countJobs(): Promise<JobCount[]> {
    return this.#parts.jobControl.counts();
  }

  async listJobs(query: Parameters<JobControlIndex['listJobs']>[0]): Promise<ReplicationJob[]> {
    return this.#parts.jobControl.list(query);
  }

  async nextJobDue(peer: string, except: readonly string[]): Promise<number | undefined> {
    return this.#parts.jobControl.nextDue(peer, except);
  }

  async retryJobs(query: Parameters<JobControlIndex['retryJobs']>[0]): Promise<number> {
    return this.#parts.jobControl.retry(query);
  }

  async pruneJobs(links: Parameters<JobControlIndex['pruneJobs']>[0]): Promise<number> {
    return this.#parts.jobControl.prune(links);
  }

  async listJobRecords(
    query: Parameters<JobControlIndex['listJobRecords']>[0],
  ): Promise<(JobRecord & { id: number })[]> {
    return this.#parts.records.list(query);
  }
}
