import type {
  GarbageReport,
  ImageStatus,
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
} from '../../registry/operations/operations.ts';
import type { ReplicationOperations, ReplicationStatus } from '../../replication/replication-operations.ts';
import { AdminError } from './admin-error.ts';
import { AdminTransport, type AdminTarget } from './admin-transport.ts';
import { queryOf } from './query-of.ts';
import { ReplicationClient } from './replication-client.ts';

/** A copy of the index on its way. */
export interface Backup {
  readonly sizeBytes: number;
  /** @throws AdminError */
  readonly body: AsyncIterable<Uint8Array>;
}

/** The admin API of a running mirror, a method for each end-point. All methods throw AdminError and nothing else. */
export class AdminClient {
  readonly replication: ReplicationOperations;
  readonly #transport: AdminTransport;

  constructor(target: AdminTarget) {
    this.#transport = new AdminTransport(target);
    this.replication = new ReplicationClient(this.#transport);
  }

  status(): Promise<StatusReport & { readonly replication: ReplicationStatus }> {
    return this.#transport.call('GET', '/status');
  }

  async repositories(page: { prefix?: string; after?: string; limit?: number }): Promise<RepositoryStatus[]> {
    const { repositories } = await this.#transport.call<{ repositories: RepositoryStatus[] }>(
      'GET',
      `/repositories${queryOf(page)}`,
    );
    return repositories;
  }

  async images(page: { repository: string; after?: string; limit?: number }): Promise<ImageStatus[]> {
    const { images } = await this.#transport.call<{ images: ImageStatus[] }>('GET', `/images${queryOf(page)}`);
    return images;
  }

  async pins(): Promise<PinStatus[]> {
    return (await this.#transport.call<{ pins: PinStatus[] }>('GET', '/pins')).pins;
  }

  async pin(pattern: string): Promise<void> {
    await this.#transport.call('POST', '/pins', { pattern });
  }

  async unpin(pattern: string): Promise<void> {
    await this.#transport.call('DELETE', '/pins', { pattern });
  }

  purge(
    target: PurgeTarget,
    options: { dryRun: boolean },
    work?: WorkOptions<RemovalProgress>,
  ): Promise<RemovalReport> {
    return this.#transport.follow('/purge', { ...target, ...options }, work);
  }

  async refresh(image: string, work?: WorkOptions<RefreshProgress>): Promise<RefreshReport[]> {
    return (await this.#transport.follow<{ refreshed: RefreshReport[] }>('/refresh', { image }, work)).refreshed;
  }

  evict(target: { toBytes: number; dryRun: boolean }, work?: WorkOptions<RemovalProgress>): Promise<RemovalReport> {
    return this.#transport.follow('/evict', target, work);
  }

  /** The mirror goes on with it when the signal ends the waiting. */
  collectGarbage(options: { dryRun: boolean }, work?: WorkOptions<never>): Promise<GarbageReport> {
    return this.#transport.follow('/gc', options, work);
  }

  /** The mirror goes on with it when the signal ends the waiting. */
  retention(options: { dryRun: boolean }, work?: WorkOptions<never>): Promise<RetentionReport> {
    return this.#transport.follow('/retention', options, work);
  }

  warm(request: WarmRequest, options: WorkOptions<WarmProgress>): Promise<WarmReport> {
    return this.#transport.follow('/warm', request, options);
  }

  verify(request: VerifyRequest, options: WorkOptions<VerifyProgress>): Promise<VerifyReport> {
    return this.#transport.follow('/verify', request, options);
  }

  startScrub(): Promise<ScrubStatus> {
    return this.#transport.call('POST', '/scrub');
  }

  setOffline(upstream: string, offline: boolean): Promise<UpstreamStatus> {
    return this.#transport.call('PUT', `/upstreams/${encodeURIComponent(upstream)}/offline`, { offline });
  }

  /** Comes as soon as the mirror has made the copy. */
  async backup(signal: AbortSignal): Promise<Backup> {
    const { body, headers } = await this.#transport.download('/backup', signal);
    const sizeBytes = Number(headers['content-length'] ?? Number.NaN);
    if (!Number.isSafeInteger(sizeBytes)) throw new AdminError('NO_ENTREPOT', 'the backup came without its length');
    return { sizeBytes, body };
  }
}
