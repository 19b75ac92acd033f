import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { blobStream } from './blob-stream.ts';
import { headBlob, openBlob } from './blobs.ts';
import { getManifest, headManifest } from './manifests.ts';
import { ReferrersClient } from './referrers.ts';
import type { RegistryApi } from './registry-api.ts';
import { Slots } from './slots.ts';
import { listTags } from './tags.ts';
import type { BlobRange, BlobStream, CallOptions, FetchedManifest, ManifestHead, Upstream } from './upstream.ts';

export interface RegistryClientOptions {
  /** Blobs that may be under way at the same time. */
  readonly maxConnections: number;
  readonly manifestLimitBytes: number;
  readonly telemetry: Telemetry;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
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
    return this.#smallSlots.run(options.signal, () => headManifest(this.#api, target, options));
  }

  async getManifest(path: string, reference: Reference, options: CallOptions = {}): Promise<FetchedManifest> {
    const target = { repository: path, reference };
    const limits = { ...options, limitBytes: this.#options.manifestLimitBytes };
    const manifest = await this.#smallSlots.run(options.signal, () => getManifest(this.#api, target, limits));
    this.#options.telemetry.upstreamReceived(this.name, manifest.bytes.length);
    return manifest;
  }

  headBlob(path: string, digest: Digest, options: CallOptions = {}): Promise<{ sizeBytes: number | undefined }> {
    const target = { repository: path, digest };
    return this.#smallSlots.run(options.signal, () => headBlob(this.#api, target, options));
  }

  async getBlob(
    path: string,
    digest: Digest,
    range: BlobRange | undefined,
    { signal }: CallOptions = {},
  ): Promise<BlobStream> {
    const release = await this.#blobSlots.take(signal);
    try {
      const options = { range, ...(signal && { signal }) };
      const { response, extent } = await openBlob(this.#api, { repository: path, digest }, options);
      const onBytes = (count: number) => this.#options.telemetry.upstreamReceived(this.name, count);
      return blobStream(response, extent, { upstream: this.name, release, signal, onBytes });
    } catch (error) {
      release();
      throw error;
    }
  }

  listTags(path: string, options: CallOptions = {}): Promise<readonly string[]> {
    return this.#smallSlots.run(options.signal, () => listTags(this.#api, path, options));
  }

  listReferrers(path: string, digest: Digest, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    return this.#smallSlots.run(options.signal, () => this.#referrers.list(path, digest, options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.close();
  }
}
