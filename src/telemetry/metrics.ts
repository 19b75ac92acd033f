import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ReplicationMetrics } from './replication-metrics.ts';

const SECONDS_FAST = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SECONDS_SLOW = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600];

/** The disk that holds the store, in bytes. */
export interface DiskFigures {
  readonly blobs: number;
  readonly contentBytes: number;
  readonly inFlightBytes: number;
  readonly quotaBytes?: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** How far behind a webhook is. */
export interface WebhookFigures {
  readonly name: string;
  readonly pendingEvents: number;
  readonly pendingSinceMs?: number;
}

/** Every metric of the program, by the name that /metrics shows. Label values come from small, known sets. */
export class Metrics {
  readonly registry = new Registry();

  readonly requests = new Counter({
    name: 'entrepot_requests_total',
    help: 'Requests answered, by route, status and cache outcome',
    labelNames: ['route', 'status', 'outcome'] as const,
    registers: [this.registry],
  });
  readonly requestSeconds = new Histogram({
    name: 'entrepot_request_seconds',
    help: 'Time from a request to the end of its answer',
    labelNames: ['route'] as const,
    buckets: SECONDS_FAST,
    registers: [this.registry],
  });
  readonly clientBytes = new Counter({
    name: 'entrepot_client_bytes_total',
    help: 'Content bytes sent to clients, by the upstream they belong to',
    labelNames: ['upstream'] as const,
    registers: [this.registry],
  });
  readonly lookups = new Counter({
    name: 'entrepot_lookups_total',
    help: 'Content asked for by clients, by kind and whether upstream was needed: the hit ratio',
    labelNames: ['kind', 'result'] as const,
    registers: [this.registry],
  });
  readonly upstreamRequests = new Counter({
    name: 'entrepot_upstream_requests_total',
    help: 'Requests sent to upstreams (kind token: to their token servers), by status or error',
    labelNames: ['upstream', 'kind', 'status'] as const,
    registers: [this.registry],
  });
  readonly upstreamSeconds = new Histogram({
    name: 'entrepot_upstream_request_seconds',
    help: 'Time until an upstream sent its headers',
    labelNames: ['upstream', 'kind'] as const,
    buckets: SECONDS_FAST,
    registers: [this.registry],
  });
  readonly upstreamBytes = new Counter({
    name: 'entrepot_upstream_bytes_total',
    help: 'Content bytes received from upstreams',
    labelNames: ['upstream'] as const,
    registers: [this.registry],
  });
  readonly upstreamRateLimit = new Gauge({
    name: 'entrepot_upstream_rate_limit',
    help: 'What the upstream last said of its pull rate limit (ratelimit-limit, ratelimit-remaining)',
    labelNames: ['upstream', 'account', 'which'] as const,
    registers: [this.registry],
  });
  readonly upstreamBreakerOpen = new Gauge({
    name: 'entrepot_upstream_breaker_open',
    help: '1 while requests to the upstream are held back after failures',
    labelNames: ['upstream'] as const,
    registers: [this.registry],
  });
  readonly fillsRunning = new Gauge({
    name: 'entrepot_fills_running',
    help: 'Blobs being fetched from upstreams',
    registers: [this.registry],
  });
  readonly fills = new Counter({
    name: 'entrepot_fills_total',
    help: 'Blob fetches that ended, by upstream and result',
    labelNames: ['upstream', 'result'] as const,
    registers: [this.registry],
  });
  readonly fillSeconds = new Histogram({
    name: 'entrepot_fill_seconds',
    help: 'Duration of successful blob fetches',
    buckets: SECONDS_SLOW,
    registers: [this.registry],
  });
  readonly bypasses = new Counter({
    name: 'entrepot_bypasses_total',
    help: 'Content streamed through without being kept, by upstream and reason (quota, upstream-quota, disk, store)',
    labelNames: ['upstream', 'reason'] as const,
    registers: [this.registry],
  });
  readonly removedImages = new Counter({
    name: 'entrepot_removed_images_total',
    help: 'Images removed from the store, by cause (evicted, purged)',
    labelNames: ['cause'] as const,
    registers: [this.registry],
  });
  readonly removedBytes = new Counter({
    name: 'entrepot_removed_bytes_total',
    help: 'Bytes removed from the store, by cause (evicted, purged, garbage, deleted)',
    labelNames: ['cause'] as const,
    registers: [this.registry],
  });
  readonly scrubbedBytes = new Counter({
    name: 'entrepot_scrubbed_bytes_total',
    help: 'Stored bytes that were hashed again',
    registers: [this.registry],
  });
  readonly lostContent = new Counter({
    name: 'entrepot_lost_content_total',
    help: 'Stored content found missing or damaged, by how it was noticed (scrub, serving, start)',
    labelNames: ['noticed'] as const,
    registers: [this.registry],
  });
  readonly healedContent = new Counter({
    name: 'entrepot_healed_content_total',
    help: 'Missing or damaged content that was fetched again, by result (healed, failed)',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });
  readonly upstreamHeldBack = new Counter({
    name: 'entrepot_upstream_held_back_total',
    help: 'Requests not sent to an upstream, by what they were for and why (blocked: after 429, reserve: kept for misses)',
    labelNames: ['upstream', 'purpose', 'reason'] as const,
    registers: [this.registry],
  });
  readonly upstreamBlocked = new Gauge({
    name: 'entrepot_upstream_blocked',
    help: '1 while nothing is asked of an upstream because it answered 429',
    labelNames: ['upstream'] as const,
    registers: [this.registry],
  });
  readonly siblingDistrusts = new Counter({
    name: 'entrepot_sibling_distrusts_total',
    help: 'Blobs that came from a sibling, at least in part, and were not what their digest or descriptor says',
    labelNames: ['sibling'] as const,
    registers: [this.registry],
  });
  readonly warmed = new Counter({
    name: 'entrepot_warmed_images_total',
    help: 'Images fetched ahead of time, by result (fresh, failed)',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });
  readonly webhookDeliveries = new Counter({
    name: 'entrepot_webhook_deliveries_total',
    help: 'Attempts to tell a webhook of an event, by result (delivered, failed: comes again, refused: given up)',
    labelNames: ['webhook', 'result'] as const,
    registers: [this.registry],
  });
  readonly webhookLostEvents = new Counter({
    name: 'entrepot_webhook_lost_events_total',
    help: 'Events that left the log before the webhook could be told of them',
    labelNames: ['webhook'] as const,
    registers: [this.registry],
  });
  readonly pushes = new Counter({
    name: 'entrepot_pushes_total',
    help: 'What clients pushed, by kind and result (blob: stored, known; mount, manifest: stored)',
    labelNames: ['kind', 'result'] as const,
    registers: [this.registry],
  });
  readonly pushedBytes = new Counter({
    name: 'entrepot_pushed_bytes_total',
    help: 'Bytes of blobs and manifests received from clients that push',
    registers: [this.registry],
  });
  readonly uploads = new Gauge({
    name: 'entrepot_uploads',
    help: 'Uploads that were begun and are not finished, cancelled or expired',
    registers: [this.registry],
  });
  readonly deletions = new Counter({
    name: 'entrepot_deletions_total',
    help: 'Tags, manifests and blobs that were deleted, by cause (client, retention)',
    labelNames: ['cause'] as const,
    registers: [this.registry],
  });
  readonly replication = new ReplicationMetrics(this.registry);

  constructor(site: string) {
    this.registry.setDefaultLabels({ site });
    // Brings event loop lag, heap, resident memory, file descriptors and garbage collection.
    collectDefaultMetrics({ register: this.registry });
  }

  /** How client lookups of a kind came out since the start. */
  async hitRatio(kind: 'manifest' | 'blob'): Promise<{ hits: number; misses: number }> {
    const { values } = await this.lookups.get();
    const count = (result: string) =>
      values.find(({ labels }) => labels.kind === kind && labels.result === result)?.value ?? 0;
    return { hits: count('hit'), misses: count('miss') };
  }

  /** Adds the disk's figures, which are read when somebody looks. */
  observeDisk(read: () => Promise<DiskFigures>): void {
    const blobs = new Gauge({
      name: 'entrepot_blobs',
      help: 'Blobs in the store',
      registers: [],
      async collect() {
        this.set((await read()).blobs);
      },
    });
    const bytes = new Gauge({
      name: 'entrepot_disk_bytes',
      help: 'The disk that holds the store: bytes of blobs, of downloads in flight, the quota, free for us, and in total',
      labelNames: ['what'] as const,
      registers: [],
      async collect() {
        const disk = await read();
        this.set({ what: 'blobs' }, disk.contentBytes);
        this.set({ what: 'in-flight' }, disk.inFlightBytes);
        this.set({ what: 'quota' }, disk.quotaBytes ?? disk.totalBytes);
        this.set({ what: 'free' }, disk.freeBytes);
        this.set({ what: 'total' }, disk.totalBytes);
      },
    });
    for (const metric of [blobs, bytes]) this.registry.registerMetric(metric);
  }

  /** Adds the figures of webhooks, which are read when somebody looks. */
  observeWebhooks(read: () => Promise<readonly WebhookFigures[]>): void {
    const pending = new Gauge({
      name: 'entrepot_webhook_pending_events',
      help: 'Events that the webhook was not told of yet',
      labelNames: ['webhook'] as const,
      registers: [],
      async collect() {
        for (const { name, pendingEvents } of await read()) this.set({ webhook: name }, pendingEvents);
      },
    });
    const lag = new Gauge({
      name: 'entrepot_webhook_lag_seconds',
      help: 'Age of the oldest event that the webhook was not told of yet, 0 if there is none',
      labelNames: ['webhook'] as const,
      registers: [],
      async collect() {
        const nowMs = Date.now();
        for (const { name, pendingSinceMs } of await read()) {
          this.set({ webhook: name }, Math.max(0, nowMs - (pendingSinceMs ?? nowMs)) / 1000);
        }
      },
    });
    for (const metric of [pending, lag]) this.registry.registerMetric(metric);
  }
}
