import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Accounts } from './accounts.ts';
import { blobStream } from './blob-stream.ts';
import { headBlob, openBlob } from './blobs.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { getManifest, headManifest } from './manifests.ts';
import { purposeOf } from './purpose-of.ts';
import { ReferrersClient } from './referrers.ts';
import type { RegistryApi } from './registry-api.ts';
import { Slots } from './slots.ts';
import { listTags } from './tags.ts';
import type {
  BlobRange,
  BlobStream,
  CallOptions,
  FetchedManifest,
  ManifestHead,
  Purpose,
  Upstream,
  UpstreamReport,
} from './upstream.ts';

export interface RegistryClientOptions {
  readonly accounts: Accounts;
  readonly breaker: CircuitBreaker;
  /** Blobs that may be under way at the same time. */
  readonly maxConnections: number;
  readonly manifestLimitBytes: number;
  readonly telemetry: Telemetry;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Takes back the memory of a body's bytes. */
  readonly recycle: (bytes: Uint8Array) => void;
  /** Closes the connections. */
  readonly close: () => Promise<void>;
}

/** Small requests never wait for blobs: they have slots of their own, these at least. */
const MIN_SMALL_SLOTS = 8;

/** A registry behind the API of the distribution-spec. */
export class RegistryClient implements Upstream {
  readonly #api: RegistryApi;
  readonly #options: RegistryClientOptions;
  readonly #referrers: ReferrersClient;
  readonly #blobSlots: Slots;
  readonly #smallSlots: Slots;

  constructor(api: RegistryApi, options: RegistryClientOptions) {
    this.#api = api;
    this.#options = options;
    this.#referrers = new ReferrersClient(api, options.now);
    this.#blobSlots = new Slots(api.upstream, options.maxConnections);
    this.#smallSlots = new Slots(api.upstream, Math.max(options.maxConnections, MIN_SMALL_SLOTS));
  }

  get name(): string {
    return this.#api.upstream;
  }

  headManifest(path: string, reference: Reference, options: CallOptions = {}): Promise<ManifestHead> {
    const target = { repository: path, reference };
    return this.#runSmall(options, () => headManifest(this.#api, target, options));
  }

  async getManifest(path: string, reference: Reference, options: CallOptions = {}): Promise<FetchedManifest> {
    const target = { repository: path, reference };
    const limits = { ...options, limitBytes: this.#options.manifestLimitBytes };
    const manifest = await this.#runSmall(options, () => getManifest(this.#api, target, limits));
    this.#options.telemetry.upstreamReceived(this.name, manifest.bytes.length);
    return manifest;
  }

  headBlob(path: string, digest: Digest, options: CallOptions = {}): Promise<{ sizeBytes: number | undefined }> {
    const target = { repository: path, digest };
    return this.#runSmall(options, () => headBlob(this.#api, target, options));
  }

  async getBlob(
    path: string,
    digest: Digest,
    range: BlobRange | undefined,
    options: CallOptions = {},
  ): Promise<BlobStream> {
    const { signal } = options;
    this.#options.accounts.throwIfHeldBack(purposeOf(options));
    const release = await this.#blobSlots.take(options);
    try {
      const { response, extent } = await openBlob(this.#api, { repository: path, digest }, { ...options, range });
      const onBytes = (count: number) => this.#options.telemetry.upstreamReceived(this.name, count);
      const { recycle } = this.#options;
      return blobStream(response, extent, { upstream: this.name, release, signal, onBytes, recycle });
    } catch (error) {
      release();
      throw error;
    }
  }

  listTags(path: string, options: CallOptions = {}): Promise<readonly string[]> {
    return this.#runSmall(options, () => listTags(this.#api, path, options));
  }

  listReferrers(path: string, digest: Digest, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    return this.#runSmall(options, () => this.#referrers.list(path, digest, options));
  }

  report(): UpstreamReport {
    const { accounts, breaker } = this.#options;
    return { isBreakerOpen: breaker.isOpen, accounts: accounts.report() };
  }

  leaveAlone(accounts: Parameters<Upstream['leaveAlone']>[0]): void {
    this.#options.accounts.leaveAlone(accounts);
  }

  mayAsk(purpose: Purpose): boolean {
    const { accounts, breaker } = this.#options;
    return breaker.waitMs === 0 && accounts.mayAsk(purpose);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.close();
  }

  /** What would not be sent does not wait for a slot first. */
  async #runSmall<Value>(options: CallOptions, call: () => Promise<Value>): Promise<Value> {
    this.#options.accounts.throwIfHeldBack(purposeOf(options));
    return this.#smallSlots.run(options, call);
  }
}
