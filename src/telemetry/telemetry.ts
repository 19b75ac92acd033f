import { IntakeTelemetry } from './intake-telemetry.ts';
import { describeError } from './describe-error.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { PeerTelemetry } from './peer-telemetry.ts';
import { ReplicationTelemetry } from './replication-telemetry.ts';
import type { UpstreamRequestKind } from './upstream-request-kind.ts';

export { describeError } from './describe-error.ts';

/** Why content is not kept: the quota, its upstream's own quota, the free space of the disk, or a disk that refuses. */
export type BypassReason = 'quota' | 'upstream-quota' | 'disk' | 'store';

/** A request of a client and what became of it. */
export interface RequestEvent {
  readonly requestId: string;
  readonly method: string;
  /** Which end-point. */
  readonly route: string;
  readonly upstream: string | undefined;
  readonly repository: string | undefined;
  /** The tag or digest asked for. */
  readonly reference: string | undefined;
  /** The client's address. */
  readonly client: string | undefined;
  /** Who it was; undefined: nobody was let in. */
  readonly principal?: string | undefined;
  readonly status: number;
  readonly outcome: string | undefined;
  /** Content bytes sent. */
  readonly bytes: number;
  readonly seconds: number;
  /** Why the answer was an error, or why its body was cut off. */
  readonly failure: unknown;
}

/** A request to the admin API and what became of it. */
export interface AdminEvent {
  readonly method: string;
  readonly path: string;
  /** The client's address. */
  readonly client: string | undefined;
  /** Of an answer that is written while the work goes on: what it would have been, had its end been known before. */
  readonly status: number;
  readonly seconds: number;
  /** Why it failed or was refused. */
  readonly failure: unknown;
}

/** An event of the log on its way to a webhook. */
export interface WebhookEvent {
  readonly webhook: string;
  readonly kind: string;
  readonly sequence: number;
  readonly repository: string;
  /** How often it was tried, this time included. */
  readonly attempts: number;
}

/** Outcomes that needed nothing of an upstream before the answer could begin. */
const SERVED_FROM_STORE = new Set(['hit', 'stale', 'updating']);

/** Business events: one method each, which moves the counters and writes the line together. */
export class Telemetry {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** What other sites send. */
  readonly intake: IntakeTelemetry;
  /** What other sites are sent. */
  readonly peers: PeerTelemetry;

  readonly replication: ReplicationTelemetry;

  constructor(log: Logger, metrics: Metrics) {
    this.log = log;
    this.metrics = metrics;
    this.replication = new ReplicationTelemetry(log, metrics.replication);
    this.intake = new IntakeTelemetry(log, metrics.registry);
    this.peers = new PeerTelemetry(log, metrics.registry);
  }

  /** A request was answered, or its connection broke. */
  requestAnswered(event: RequestEvent): void {
    const { failure, seconds, ...rest } = event;
    const { route, outcome } = event;
    this.metrics.requests.inc({ route, status: String(event.status), outcome: outcome ?? 'none' });
    this.metrics.requestSeconds.observe({ route }, seconds);
    if (event.upstream !== undefined && event.bytes > 0)
      this.metrics.clientBytes.inc({ upstream: event.upstream }, event.bytes);
    if (outcome !== undefined && (route === 'blob' || route === 'manifest')) {
      this.metrics.lookups.inc({ kind: route, result: SERVED_FROM_STORE.has(outcome) ? 'hit' : 'miss' });
    }
    const line = { ...rest, durationMs: Math.round(seconds * 1000) };
    if (failure === undefined) this.log.info(line, 'request');
    else if (event.status === 500) this.log.error({ ...line, err: failure }, 'request failed');
    else this.log.warn({ ...line, ...describeError(failure) }, 'request failed');
  }

  /** An operator's request was answered or refused. */
  adminAnswered(event: AdminEvent): void {
    const { failure, seconds, ...rest } = event;
    this.metrics.requests.inc({ route: 'admin', status: String(event.status), outcome: 'none' });
    const line = { ...rest, durationMs: Math.round(seconds * 1000) };
    if (failure !== undefined && event.status === 500)
      this.log.error({ ...line, err: failure }, 'admin request failed');
    else if (failure !== undefined) this.log.warn({ ...line, ...describeError(failure) }, 'admin request failed');
    else if (event.method === 'GET') this.log.debug(line, 'admin request');
    else this.log.info(line, 'admin request');
  }

  /** An upstream, or its token server, answered or failed to. @param status HTTP status, or an error code */
  upstreamAnswered(event: {
    upstream: string;
    kind: UpstreamRequestKind;
    method: string;
    status: number | string;
    seconds: number;
  }): void {
    const { upstream, kind } = event;
    this.metrics.upstreamRequests.inc({ upstream, kind, status: String(event.status) });
    this.metrics.upstreamSeconds.observe({ upstream, kind }, event.seconds);
    this.log.debug(event, 'upstream request');
  }

  /** Content bytes came from an upstream. */
  upstreamReceived(upstream: string, bytes: number): void {
    this.metrics.upstreamBytes.inc({ upstream }, bytes);
  }

  /** An upstream told its rate limit (Docker Hub: `ratelimit-limit: 100;w=21600`). */
  rateLimitSeen(event: { upstream: string; account: string; limit: number; remaining: number }): void {
    const { upstream, account } = event;
    this.metrics.upstreamRateLimit.set({ upstream, account, which: 'limit' }, event.limit);
    this.metrics.upstreamRateLimit.set({ upstream, account, which: 'remaining' }, event.remaining);
  }

  /** An upstream failed often enough that requests to it are held back, or it works again. */
  breakerMoved(event: { upstream: string; open: boolean }): void {
    this.metrics.upstreamBreakerOpen.set({ upstream: event.upstream }, event.open ? 1 : 0);
    if (event.open) this.log.warn(event, 'upstream is failing: requests are held back');
    else this.log.info(event, 'upstream works again');
  }

  /** Stored credentials were refused, and the request was tried without them. */
  credentialsRefused(event: { upstream: string; repository: string; reason: string }): void {
    this.log.warn(event, 'upstream refused the configured credentials');
  }

  /** Content that came from a sibling, at least in part, was not what its digest says: it is passed over for that. */
  siblingDistrusted(event: { sibling: string; repository: string; digest: string }): void {
    this.metrics.siblingDistrusts.inc({ sibling: event.sibling });
    this.log.warn(event, 'wrong content from a sibling: it is not asked for that for a while');
  }

  fillStarted(): void {
    this.metrics.fillsRunning.inc();
  }

  /** A blob's download ended. */
  fillEnded(event: {
    upstream: string;
    repository: string;
    digest: string;
    bytes: number;
    seconds: number;
    /** False: it was streamed through. */
    isKept: boolean;
    error: unknown;
  }): void {
    const { error, isKept, ...rest } = event;
    const ended = isKept ? 'stored' : 'passed';
    this.metrics.fillsRunning.dec();
    this.metrics.fills.inc({ upstream: event.upstream, result: error === undefined ? ended : 'failed' });
    if (error === undefined) {
      this.metrics.fillSeconds.observe(event.seconds);
      this.log.info(rest, isKept ? 'blob stored' : 'blob streamed through');
    } else {
      this.log.warn({ ...rest, ...describeError(error) }, 'blob not stored');
    }
  }

  /** Content was served but could not be kept. */
  storeFailed(event: { digest: string; error: unknown }): void {
    this.log.error({ digest: event.digest, ...describeError(event.error) }, 'content could not be stored');
  }

  /** Content is streamed through without being kept. */
  bypassed(event: { upstream: string; digest: string; sizeBytes: number | undefined; reason: BypassReason }): void {
    this.metrics.bypasses.inc({ upstream: event.upstream, reason: event.reason });
    this.log.warn(event, 'no room: streamed through without being kept');
  }

  /** An image left the store. */
  imageRemoved(event: {
    repository: string;
    digest: string;
    tags: readonly string[];
    cause: 'evicted' | 'purged';
  }): void {
    this.metrics.removedImages.inc({ cause: event.cause });
    this.log.info(event, 'image removed');
  }

  /** Files left the store. */
  contentRemoved(event: { blobs: number; bytes: number; cause: 'evicted' | 'purged' | 'garbage' | 'deleted' }): void {
    this.metrics.removedBytes.inc({ cause: event.cause }, event.bytes);
    this.log.debug(event, 'content removed');
  }

  /** Stored content was missing or damaged, and is treated as not there. */
  contentLost(event: { digest: string; reason: string; noticed: 'scrub' | 'serving' | 'start' }): void {
    this.metrics.lostContent.inc({ noticed: event.noticed });
    this.log.error(event, 'stored content was lost');
  }

  /** Lost content was fetched again, or could not be. */
  contentHealed(event: { digest: string; repository: string; error?: unknown }): void {
    const { error, ...rest } = event;
    this.metrics.healedContent.inc({ result: error === undefined ? 'healed' : 'failed' });
    if (error === undefined) this.log.info(rest, 'lost content was fetched again');
    else this.log.warn({ ...rest, ...describeError(error) }, 'lost content could not be fetched again');
  }

  /** Stored content was hashed again. */
  contentScrubbed(bytes: number): void {
    this.metrics.scrubbedBytes.inc(bytes);
  }

  /** A request was not sent, for the upstream's rate limit. */
  requestHeldBack(event: { upstream: string; purpose: string; reason: 'blocked' | 'reserve' }): void {
    this.metrics.upstreamHeldBack.inc(event);
    this.log.debug(event, 'request held back for the rate limit of the upstream');
  }

  /** An upstream said 429: it is left alone for a while; or it may be asked again. */
  rateLimitMoved(event: { upstream: string; account: string; blockedForMs: number; isAnyLeft: boolean }): void {
    this.metrics.upstreamBlocked.set({ upstream: event.upstream }, event.isAnyLeft ? 0 : 1);
    if (event.blockedForMs > 0) this.log.warn(event, 'upstream refused for its rate limit: it is left alone');
    else this.log.info(event, 'upstream may be asked again');
  }

  /** An image was fetched ahead of time, or could not be. */
  imageWarmed(event: { image: string; error?: unknown }): void {
    const { error, ...rest } = event;
    this.metrics.warmed.inc({ result: error === undefined ? 'fresh' : 'failed' });
    if (error === undefined) this.log.info(rest, 'image warmed');
    else this.log.warn({ ...rest, ...describeError(error) }, 'image could not be warmed');
  }

  /** A webhook was told of an event. */
  eventDelivered(event: WebhookEvent): void {
    this.metrics.webhookDeliveries.inc({ webhook: event.webhook, result: 'delivered' });
    if (event.attempts === 1) this.log.debug(event, 'event delivered');
    else this.log.info(event, 'event delivered after failures');
  }

  /** A webhook could not be told of an event now: it is tried again. */
  eventNotDelivered(event: WebhookEvent & { retryMs: number; error: unknown }): void {
    const { error, ...rest } = event;
    this.metrics.webhookDeliveries.inc({ webhook: event.webhook, result: 'failed' });
    const line = { ...rest, ...describeError(error) };
    // While a receiver is down there would be a line for each attempt of each event.
    if (event.attempts === 1) this.log.warn(line, 'event not delivered: it will be tried again');
    else this.log.debug(line, 'event not delivered: it will be tried again');
  }

  /** A receiver refused an event so often that it is not told of it any more. */
  eventRefused(event: WebhookEvent & { error: unknown }): void {
    const { error, ...rest } = event;
    this.metrics.webhookDeliveries.inc({ webhook: event.webhook, result: 'refused' });
    this.log.error({ ...rest, ...describeError(error) }, 'event refused: the webhook is not told of it');
  }

  /** Events left the log before a webhook was told of them. @param event.isExact otherwise so many at most */
  eventsLost(event: { webhook: string; events: number; isExact: boolean }): void {
    this.metrics.webhookLostEvents.inc({ webhook: event.webhook }, event.events);
    this.log.warn(event, 'events are too old to be kept: the webhook was not told of them');
  }

  /** So many uploads are not finished. */
  uploadsCounted(count: number): void {
    this.metrics.uploads.set(count);
  }

  /** Bytes of an upload came. */
  uploadReceived(bytes: number): void {
    this.metrics.pushedBytes.inc(bytes);
  }

  /** A client pushed a blob. @param event.isNew its bytes were not here before */
  blobPushed(event: {
    repository: string;
    digest: string;
    sizeBytes: number;
    actor: string | undefined;
    isNew: boolean;
  }): void {
    this.metrics.pushes.inc({ kind: 'blob', result: event.isNew ? 'stored' : 'known' });
    this.log.info(event, 'blob pushed');
  }

  /** A blob that was here became part of another repository. */
  blobMounted(event: { repository: string; digest: string; from: string; actor: string | undefined }): void {
    this.metrics.pushes.inc({ kind: 'mount', result: 'stored' });
    this.log.info(event, 'blob mounted');
  }

  /** A client pushed a manifest. */
  manifestPushed(event: {
    repository: string;
    digest: string;
    tags: readonly string[];
    sizeBytes: number;
    actor: string | undefined;
    /** The site that it comes from, of a replica. */
    origin: string | undefined;
    /** Tags that stayed, for they were changed later. */
    keptTags: readonly string[] | undefined;
  }): void {
    this.metrics.pushes.inc({ kind: 'manifest', result: 'stored' });
    this.metrics.pushedBytes.inc(event.sizeBytes);
    this.log.info(event, 'manifest pushed');
  }

  /** A client deleted a tag, a manifest or a blob. @param event.origin the site that it was deleted at first */
  contentDeleted(event: {
    repository: string;
    reference: string;
    actor: string | undefined;
    origin: string | undefined;
  }): void {
    this.metrics.deletions.inc({ cause: 'client' });
    this.log.info(event, 'content deleted');
  }

  /** Retention removed a tag, or an image that had none. */
  contentExpired(event: { repository: string; tag: string | undefined; digest: string }): void {
    this.metrics.deletions.inc({ cause: 'retention' });
    this.log.info(event, 'removed by retention');
  }

  /** A cached answer was given because the upstream failed. */
  staleServed(event: { repository: string; reference: string; error: unknown }): void {
    const { error, ...rest } = event;
    this.log.warn({ ...rest, ...describeError(error) }, 'upstream failed: served from cache');
  }
}
