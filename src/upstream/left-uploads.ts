import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import type { RegistryApi } from './registry-api.ts';
import { cancelUpload, type UploadState, type UploadTarget } from './uploads.ts';
import { UpstreamError } from './upstream-error.ts';

/** An upload that nobody works on. */
export interface LeftUpload extends UploadState {
  /** Nothing was sent yet, so that the registry need not be asked where it stands. */
  readonly isFresh: boolean;
}

interface Entry {
  readonly target: UploadTarget;
  readonly upload: LeftUpload;
}

const MAX_UPLOADS = 500;
const MAX_REPOSITORIES = 1000;
/** By then whoever pushes has come back. */
const KEPT_FOR_MS = 600_000;
/** For the last ones, when all ends: the registry forgets them by itself too, in a day or a week. */
const CLOSING_MS = 2000;

/**
 * Uploads that were begun and not ended: by a mount that came to nothing, or by a push of something small that broke off.
 * The next push of the same blob takes them up; who leaves too many behind is let begin no more. What nobody takes up is
 * cancelled.
 */
export class LeftUploads implements AsyncDisposable {
  readonly #api: RegistryApi;
  readonly #entries: LRUCache<string, Entry>;
  /** Where we may not cancel. */
  readonly #refused = new LRUCache<string, true>({ max: MAX_REPOSITORIES });

  /** @param api without the pace of a call, which may have come to rest when something is cancelled */
  constructor(api: RegistryApi, keptForMs = KEPT_FOR_MS) {
    this.#api = api;
    this.#entries = new LRUCache({
      max: MAX_UPLOADS,
      ttl: keptForMs,
      ttlAutopurge: true,
      dispose: ({ target, upload }, _, reason) => {
        if (reason !== 'delete') void this.cancel(target, upload.location);
      },
    });
  }

  keep(target: UploadTarget, digest: Digest, upload: LeftUpload): void {
    this.#entries.set(keyOf(target, digest), { target: { ...target, api: this.#api, signal: undefined }, upload });
  }

  /** Undefined if there is none. */
  take(target: UploadTarget, digest: Digest): LeftUpload | undefined {
    const key = keyOf(target, digest);
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    return entry?.upload;
  }

  /** As well as it goes: a registry forgets what is left behind. */
  async cancel(target: UploadTarget, location: URL): Promise<void> {
    if (this.#refused.has(target.repository)) return;
    try {
      await cancelUpload(target, location);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.code === 'DENIED') this.#refused.set(target.repository, true);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const signal = AbortSignal.timeout(CLOSING_MS);
    const left = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(left.map(({ target, upload }) => this.cancel({ ...target, signal }, upload.location)));
  }
}

function keyOf({ repository }: UploadTarget, digest: Digest): string {
  return `${repository} ${digest}`;
}
