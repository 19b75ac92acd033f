import type { WorkOptions } from '../../registry/operations/operations.ts';
import type {
  ConflictStatus,
  DiffProgress,
  DiffReport,
  HistoryStatus,
  JobStatus,
  ReplicateProgress,
  ReplicateReport,
  ReplicateRequest,
  ReplicationOperations,
  ReplicationStatus,
} from '../../replication/replication-operations.ts';
import type { AdminTransport } from './admin-transport.ts';
import { queryOf } from './query-of.ts';

type Query<Name extends 'jobs' | 'history' | 'conflicts'> = Parameters<ReplicationOperations[Name]>[0];

/** The part of the admin API that is about replication. All methods throw AdminError and nothing else. */
export class ReplicationClient implements ReplicationOperations {
  readonly #transport: AdminTransport;

  constructor(transport: AdminTransport) {
    this.#transport = transport;
  }

  status(): Promise<ReplicationStatus> {
    return this.#transport.call('GET', '/replication');
  }

  async jobs(query: Query<'jobs'>): Promise<JobStatus[]> {
    return (await this.#list<{ jobs: JobStatus[] }>('jobs', query)).jobs;
  }

  async history(query: Query<'history'>): Promise<HistoryStatus[]> {
    return (await this.#list<{ history: HistoryStatus[] }>('history', query)).history;
  }

  async conflicts(query: Query<'conflicts'>): Promise<ConflictStatus[]> {
    return (await this.#list<{ conflicts: ConflictStatus[] }>('conflicts', query)).conflicts;
  }

  replicate(request: ReplicateRequest, options: WorkOptions<ReplicateProgress>): Promise<ReplicateReport> {
    return this.#transport.follow('/replication/run', request, options);
  }

  diff(query: { peer: string; rule?: string }, options: WorkOptions<DiffProgress>): Promise<DiffReport> {
    return this.#transport.follow('/replication/diff', query, options);
  }

  async pause(what: { rule?: string; peer?: string }): Promise<void> {
    await this.#transport.call('POST', '/replication/pause', what);
  }

  async resume(what: { rule?: string; peer?: string }): Promise<void> {
    await this.#transport.call('POST', '/replication/resume', what);
  }

  retry(what: { rule?: string; peer?: string; job?: number }): Promise<{ jobs: number }> {
    return this.#transport.call('POST', '/replication/retry', what);
  }

  approve(what: { rule: string; peer: string }): Promise<{ jobs: number }> {
    return this.#transport.call('POST', '/replication/approve', what);
  }

  #list<List>(name: string, query: Query<'jobs' | 'history' | 'conflicts'>): Promise<List> {
    return this.#transport.call('GET', `/replication/${name}${queryOf({ ...query })}`);
  }
}
