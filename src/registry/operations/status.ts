import type { UpkeepIndex } from '../../metadata/metadata-index.ts';
import type { DiskFigures, Metrics } from '../../telemetry/metrics.ts';
import type { EventOutlet } from '../events/event-outlet.ts';
import type { Fills } from '../fill/fills.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { Eviction } from '../space/eviction.ts';
import { usedBytes } from '../space/room.ts';
import type { Scrub } from '../upkeep/scrub.ts';
import type { UpstreamSite, Upstreams } from '../upstreams.ts';
import type { DiskReport, FillStatus, ScrubStatus, StatusReport, UpstreamStatus } from './operations.ts';

export interface StatusOptions {
  readonly events: Pick<EventOutlet, 'status'>;
  readonly site: string;
  readonly version: string;
  readonly index: UpkeepIndex;
  readonly budget: DiskBudget;
  readonly eviction: Eviction;
  readonly fills: Fills;
  readonly scrub: Scrub;
  readonly scrubEveryMs: number;
  readonly upstreams: Upstreams;
  readonly metrics: Metrics;
}

/** An operator waits so long to be told what pins hold; after that it is what they held when it was last found out. */
const PINNED_MS = 300;

/** How everything is at the moment. */
export class Status {
  readonly #options: StatusOptions;
  readonly #startedAt = performance.now();

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  async report(): Promise<StatusReport> {
    const { site, version, fills, upstreams, metrics } = this.#options;
    return {
      site,
      version,
      uptimeSeconds: Math.round((performance.now() - this.#startedAt) / 1000),
      disk: await this.disk(),
      lookups: { manifest: await metrics.hitRatio('manifest'), blob: await metrics.hitRatio('blob') },
      fills: fills.all.map(fillStatus),
      upstreams: await Promise.all(upstreams.all.map((upstream) => this.upstream(upstream))),
      scrub: await this.scrub(),
      webhooks: await this.#options.events.status(),
    };
  }

  /** All but what takes time to find out, for those who ask every few seconds. */
  async figures(): Promise<DiskFigures & Pick<DiskReport, 'minFreeBytes' | 'otherBytes'>> {
    const { budget } = this.#options;
    const reading = await budget.read();
    const { usage, freeBytes, totalBytes, inFlightBytes } = reading;
    const { quotaBytes, minFreeBytes } = budget.limits;
    return {
      contentBytes: usage.diskBytes,
      blobs: usage.blobs,
      inFlightBytes,
      otherBytes: usedBytes(reading) - usage.diskBytes - inFlightBytes,
      ...(quotaBytes !== undefined && { quotaBytes }),
      minFreeBytes,
      freeBytes,
      totalBytes,
    };
  }

  async disk(): Promise<DiskReport> {
    const { eviction } = this.#options;
    const pinnedBytes = await eviction.pinnedBytes(PINNED_MS);
    return { ...(await this.figures()), pinnedBytes, isEvicting: eviction.isRunning };
  }

  async upstream(site: UpstreamSite): Promise<UpstreamStatus> {
    const { index, budget } = this.#options;
    const { name } = site.upstream;
    const quotaBytes = budget.limits.registryQuotas.get(name);
    return {
      name,
      ...site.upstream.report(),
      isOffline: site.isOffline,
      contentBytes: (await index.usage()).diskBytesByRegistry.get(name) ?? 0,
      ...(quotaBytes !== undefined && { quotaBytes }),
    };
  }

  async scrub(): Promise<ScrubStatus> {
    const { scrub, scrubEveryMs } = this.#options;
    const { isRunning, completedAtMs } = await scrub.state();
    return {
      isRunning,
      ...(completedAtMs !== undefined && { completedAtMs }),
      ...(scrubEveryMs !== Infinity && { everyMs: scrubEveryMs }),
    };
  }
}

function fillStatus(fill: Fills['all'][number]): FillStatus {
  const { digest, repositories, sizeBytes, receivedBytes, readerCount, startedAtMs, isKept } = fill;
  return {
    digest,
    repository: repositories[0]?.name ?? '',
    ...(sizeBytes !== undefined && { sizeBytes }),
    receivedBytes,
    readers: readerCount,
    seconds: (Date.now() - startedAtMs) / 1000,
    isKept,
  };
}
