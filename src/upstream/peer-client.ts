import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import { SITE_HEADER } from '../util/replication-header.ts';
import type { AddressGuard } from './address-guard.ts';
import { pushBlob } from './blob-push.ts';
import { headerOf, type UpstreamRequest } from './exchange.ts';
import { hasBlob } from './has-blob.ts';
import { LeftUploads } from './left-uploads.ts';
import { getManifest, headManifest } from './manifests.ts';
import { mountBlob } from './mount-blob.ts';
import type { BlobToPush, Peer, PeerCallOptions, PushOrigin, TakenManifest } from './peer.ts';
import { deleteManifest, putManifest } from './push-manifest.ts';
import { refusal, type RegistryApi } from './registry-api.ts';
import { listTags } from './tags.ts';
import type { UploadTarget } from './uploads.ts';
import { UpstreamError } from './upstream-error.ts';
import type { FetchedManifest, ManifestHead } from './upstream.ts';

export interface PeerClientOptions {
  readonly guard: AddressGuard;
  readonly manifestLimitBytes: number;
  /** Blobs go in parts of so many bytes; undefined: in one. */
  readonly chunkBytes: number | undefined;
  /** Closes the connections. */
  readonly close: () => Promise<void>;
}

/** Not what an upstream of the peer has. To HEAD an entrepot answers like that by itself, if it is by who replicates. */
const STORED = { onlyIfCached: true } as const;
const SITE = /^[\w.-]{1,63}$/;

/** A peer behind the API of the distribution-spec. */
export class PeerClient implements Peer {
  readonly #api: RegistryApi;
  readonly #options: PeerClientOptions;
  readonly #left: LeftUploads;
  /** A door that demands a login was found. */
  #isAtDoor = false;

  constructor(api: RegistryApi, options: PeerClientOptions) {
    this.#api = api;
    this.#options = options;
    this.#left = new LeftUploads(this.#during({}));
  }

  get name(): string {
    return this.#api.upstream;
  }

  async ping(options: PeerCallOptions = {}): Promise<{ readonly site: string | undefined }> {
    const api = this.#during(options);
    const url = new URL('v2/', api.base);
    const ping = { kind: 'ping', method: 'GET', url, headers: {}, signal: options.signal } as const;
    const response = await api.send({ ...ping, access: 'login' });
    if (response.status !== 200) throw refusal(response, api);
    response.discard();
    const site = headerOf(response, SITE_HEADER.toLowerCase())?.trim() ?? '';
    if (!SITE.test(site)) return { site: undefined };
    await this.#checkDoor(ping, options);
    return { site };
  }

  async headManifest(
    path: string,
    reference: Reference,
    options: PeerCallOptions = {},
  ): Promise<ManifestHead | undefined> {
    const head = await unlessAbsent(
      headManifest(this.#during(options), { repository: path, reference }, signalOf(options)),
    );
    if (!head || head.digest) return head;
    // Where HEAD is not possible, or does not tell the digest, GET does.
    const manifest = await this.getManifest(path, reference, options);
    return manifest && { digest: manifest.digest, mediaType: manifest.mediaType, sizeBytes: manifest.bytes.length };
  }

  getManifest(path: string, reference: Reference, options: PeerCallOptions = {}): Promise<FetchedManifest | undefined> {
    const limits = { ...signalOf(options), ...STORED, limitBytes: this.#options.manifestLimitBytes };
    return unlessAbsent(getManifest(this.#during(options), { repository: path, reference }, limits));
  }

  hasBlob(path: string, digest: Digest, options: PeerCallOptions = {}): Promise<boolean> {
    return hasBlob(this.#targetOf(path, options), digest);
  }

  async listTags(path: string, options: PeerCallOptions = {}): Promise<readonly string[]> {
    const tags = listTags(this.#during(options), path, { ...signalOf(options), ...STORED });
    return (await unlessAbsent(tags)) ?? [];
  }

  async mountBlob(
    path: string,
    digest: Digest,
    from: string | undefined,
    options: PeerCallOptions = {},
  ): Promise<boolean> {
    return from !== path && mountBlob(this.#targetOf(path, options), { digest, from }, this.#left);
  }

  pushBlob(path: string, blob: BlobToPush, options: PeerCallOptions = {}): Promise<void> {
    const { chunkBytes } = this.#options;
    return pushBlob(this.#targetOf(path, options), blob, { left: this.#left, chunkBytes });
  }

  putManifest(
    path: string,
    reference: Reference,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    options: PeerCallOptions & { readonly origin?: PushOrigin } = {},
  ): Promise<TakenManifest> {
    const { bytes, mediaType } = manifest;
    return putManifest(this.#during(options), { repository: path, reference }, { ...options, bytes, mediaType });
  }

  deleteManifest(
    path: string,
    reference: Reference,
    options: PeerCallOptions & { readonly origin?: PushOrigin } = {},
  ): Promise<'deleted' | 'absent' | 'kept'> {
    return deleteManifest(this.#during(options), { repository: path, reference }, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#left[Symbol.asyncDispose]();
    await this.#options.close();
  }

  /** At its mirror's door an entrepot asks nobody who he is, and would have us take for its own what it could pull. */
  async #checkDoor(ping: UpstreamRequest, { pace }: PeerCallOptions): Promise<void> {
    if (this.#isAtDoor) return;
    const response = await this.#api.send({ ...ping, ...(pace && { pace }) });
    response.discard();
    this.#isAtDoor = response.status !== 200;
    if (this.#isAtDoor) return;
    const advice = 'its url has to be the address of its registry.listen';
    const message = `${ping.url.host} is a mirror's door, which lets everybody in: ${advice}`;
    throw new UpstreamError('INVALID', this.name, message, { status: response.status });
  }

  #targetOf(repository: string, options: PeerCallOptions): UploadTarget {
    const { guard } = this.#options;
    return { api: this.#during(options), guard, repository, signal: options.signal };
  }

  /** The registry as one call sees it. Reading wants the token of pushing too: one for both, and GHCR gives no other. */
  #during({ pace }: PeerCallOptions): RegistryApi {
    const added = { access: 'push', ...(pace && { pace }) } as const;
    const send = (request: UpstreamRequest) => this.#api.send({ ...added, ...request });
    return { ...this.#api, send };
  }
}

function signalOf({ signal }: PeerCallOptions): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

async function unlessAbsent<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
