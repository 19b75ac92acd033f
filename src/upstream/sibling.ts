import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import { UpstreamError } from './upstream-error.ts';
import type {
  BlobCallOptions,
  BlobRange,
  BlobStream,
  CallOptions,
  Purpose,
  SiblingReport,
  Upstream,
} from './upstream.ts';

/** What is asked for: something of a repository that is named in full, and by its digest where it has one. */
export interface Wanted {
  readonly repository: string;
  readonly digest?: Digest;
}

/** A blob of a repository. */
export type WantedBlob = Required<Wanted>;

/** Sends the request to the sibling's client. */
export type AskSibling<Value> = (client: Upstream, options: CallOptions) => Promise<Value>;

export interface SiblingOptions {
  /** Its client has short limits, and bears the sibling's name. */
  readonly client: Upstream;
  /** The site's own name. */
  readonly site: string;
  readonly telemetry: Telemetry;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/** Until its headers (of a manifest: all of it) an answer may take so long, the login included: a client waits meanwhile. */
const LIMIT_MS = 4_000;
/** One that does not answer, or not in time, is not waited for again and again. */
export const BREAKER: BreakerLimits = { failures: 2, maxPauseMs: 15_000 };
/** What it does not have may arrive there at any moment. */
const LACKING_MS = 5_000;
const BROKEN_MS = 60_000;
const DISTRUSTED_MS = 10 * 60_000;
/** Longer than any download takes. */
const GIVEN_MS = 24 * 3_600_000;
const MAX_DIGESTS = 10_000;

/** Another site as it is asked beside an upstream: for what it has in its store, and not for long. */
export class Sibling {
  readonly site: string;
  readonly #client: Upstream;
  readonly #telemetry: Telemetry;
  /** What it does not have. */
  readonly #lacking: LRUCache<string, true>;
  /** Blobs in the middle of which it stopped. */
  readonly #broken: LRUCache<string, true>;
  /** What came from it, and was not what its digest says. */
  readonly #distrusted: LRUCache<string, true>;
  /** Blobs of which it gave something. */
  readonly #given: LRUCache<string, true>;
  /** Its client's breaker does not count what is ended here: that takes it for a caller who left. */
  readonly #lateness: CircuitBreaker;

  constructor({ client, site, telemetry, now = () => performance.now() }: SiblingOptions) {
    this.site = site;
    this.#client = client;
    this.#telemetry = telemetry;
    const memory = (ttl: number) =>
      new LRUCache<string, true>({ max: MAX_DIGESTS, ttl, ttlResolution: 0, perf: { now } });
    this.#lacking = memory(LACKING_MS);
    this.#broken = memory(BROKEN_MS);
    this.#distrusted = memory(DISTRUSTED_MS);
    this.#given = memory(GIVEN_MS);
    this.#lateness = new CircuitBreaker({ now, onMove: (open) => this.#tellLateness(open), limits: BREAKER });
  }

  get name(): string {
    return this.#client.name;
  }

  report(): SiblingReport {
    return { name: this.name, isBreakerOpen: this.#lateness.isOpen || this.#client.report().isBreakerOpen };
  }

  /** Would a request for this be sent now? */
  mayAsk(purpose: Purpose): boolean {
    return this.#lateness.waitMs === 0 && this.#client.mayAsk(purpose);
  }

  /** Did it stop in the middle of this a short while ago? Then others are better asked for the rest. */
  hasBroken(wanted: WantedBlob): boolean {
    return this.#broken.has(keyOf(wanted));
  }

  /** @throws UpstreamError, NOT_FOUND also for what it may not or will not give us */
  async ask<Value>(wanted: Wanted, options: CallOptions, call: AskSibling<Value>): Promise<Value> {
    const key = keyOf(wanted);
    if (key !== undefined) this.#throwIfPassedOver(key);
    try {
      return await this.#inTime(options, call);
    } catch (error) {
      if (!(error instanceof UpstreamError) || !isAbsence(error)) throw error;
      if (key !== undefined) this.#lacking.set(key, true);
      throw new UpstreamError('NOT_FOUND', this.name, 'does not have it', { cause: error });
    }
  }

  /** A blob or a part of it. */
  async getBlob(
    wanted: WantedBlob,
    range: BlobRange | undefined,
    { sizeBytes, ...options }: BlobCallOptions,
  ): Promise<BlobStream> {
    const { repository, digest } = wanted;
    const key = keyOf(wanted);
    const stream = await this.ask(wanted, options, (client, short) => client.getBlob(repository, digest, range, short));
    if (stream.totalBytes !== undefined && sizeBytes !== undefined && stream.totalBytes !== sizeBytes) {
      await stream[Symbol.asyncDispose]();
      this.#passOver(wanted);
      const message = `has ${stream.totalBytes} bytes for ${digest}, which has ${sizeBytes}`;
      throw new UpstreamError('INVALID', this.name, message);
    }
    this.#given.set(key, true);
    return { ...stream, body: this.#watched(stream.body, key, options.signal) };
  }

  /** What came for the digest was wrong, perhaps from here. */
  distrust(wanted: WantedBlob): void {
    if (this.#given.delete(keyOf(wanted))) this.#passOver(wanted);
  }

  #passOver(wanted: WantedBlob): void {
    this.#distrusted.set(keyOf(wanted), true);
    this.#telemetry.siblingDistrusted({ sibling: this.name, ...wanted });
  }

  async #inTime<Value>(options: CallOptions, call: AskSibling<Value>): Promise<Value> {
    const retryAfterMs = this.#lateness.admit();
    if (retryAfterMs > 0) throw new UpstreamError('UNAVAILABLE', this.name, 'took too long before', { retryAfterMs });
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), LIMIT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, limit.signal]) : limit.signal;
    try {
      const value = await call(this.#client, { ...options, signal, onlyIfCached: true });
      this.#lateness.succeeded();
      return value;
    } catch (error) {
      if (error instanceof UpstreamError && isAbsence(error)) this.#lateness.succeeded();
      else if (limit.signal.aborted && !options.signal?.aborted) this.#lateness.failed();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #tellLateness(open: boolean): void {
    const { log } = this.#telemetry;
    const event = { sibling: this.name };
    if (open) log.warn(event, 'sibling takes too long to answer: it is not asked for a while');
    else log.info(event, 'sibling answers in time again');
  }

  #throwIfPassedOver(key: string): void {
    if (this.#distrusted.has(key)) throw new UpstreamError('INVALID', this.name, 'gave wrong bytes for it');
    if (this.#lacking.has(key)) throw new UpstreamError('NOT_FOUND', this.name, 'did not have it a moment ago');
  }

  async *#watched(
    body: AsyncIterable<Uint8Array>,
    key: string,
    callerSignal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      if (!(error instanceof UpstreamError) || callerSignal?.aborted) throw error;
      this.#broken.set(key, true);
      // Whatever it sent, others may still send the rest: to its reader it is a connection that broke.
      throw error.code === 'INVALID'
        ? new UpstreamError('UNREACHABLE', this.name, 'the answer cannot be used', { cause: error })
        : error;
    }
  }
}

function keyOf(wanted: WantedBlob): string;
function keyOf(wanted: Wanted): string | undefined;
function keyOf({ repository, digest }: Wanted): string | undefined {
  return digest && `${repository}@${digest}`;
}

/** What it may not tell us is as good as not there. */
function isAbsence({ code }: UpstreamError): boolean {
  return code === 'NOT_FOUND' || code === 'DENIED';
}
