import { blobPart } from './blob-pieces.ts';
import { hasBlob } from './has-blob.ts';
import { judgePushFailure } from './judge-push-failure.ts';
import type { LeftUploads } from './left-uploads.ts';
import type { BlobToPush } from './peer.ts';
import { settledStatus } from './settled-status.ts';
import { checkedLocation } from './upload-location.ts';
import {
  beginUpload,
  finishUpload,
  sendChunk,
  type UploadPart,
  type UploadState,
  uploadStatus,
  type UploadTarget,
} from './uploads.ts';
import { UpstreamError } from './upstream-error.ts';

export interface BlobPushOptions {
  readonly left: LeftUploads;
  /** Blobs go in parts of so many bytes; undefined: in one. */
  readonly chunkBytes: number | undefined;
}

/** An upload that is under way. */
interface Upload extends UploadState {
  /** Bytes of earlier requests are in it. */
  readonly isResumed: boolean;
}

/** To keep where a smaller one stands would cost more, a disk write each, than to send it again. */
const WORTH_KEEPING_BYTES = 4 * 1024 * 1024;
/** What a caller is given to keep. Signed URLs are some KiB long. */
const MAX_SESSION_LENGTH = 16 * 1024;

/** Sends a blob (distribution-spec, "Pushing blobs"), or what is missing of it. @throws UpstreamError, what reading throws */
export async function pushBlob(target: UploadTarget, blob: BlobToPush, options: BlobPushOptions): Promise<void> {
  await new BlobPush(target, blob, options).run();
}

/** One blob on its way, by one upload after the other if it has to be. */
class BlobPush {
  readonly #target: UploadTarget;
  readonly #blob: BlobToPush;
  readonly #options: BlobPushOptions;
  /** Undefined: one has to be begun. */
  #upload: Upload | undefined;
  /** What the caller keeps. */
  #session: string | undefined;
  #hasRestarted = false;
  #asked = 0;
  /** Has the registry refused the rest by PUT? */
  #isByPatch = false;

  constructor(target: UploadTarget, blob: BlobToPush, options: BlobPushOptions) {
    this.#target = target;
    this.#blob = blob;
    this.#options = options;
    this.#session = blob.session;
  }

  async run(): Promise<void> {
    let isThere = await this.#takeUp();
    while (!isThere) {
      const upload = (this.#upload ??= { ...(await beginUpload(this.#target, this.#blob.digest)), isResumed: false });
      try {
        await this.#send(upload);
        return;
      } catch (error) {
        isThere = await this.#recover(error);
      }
    }
  }

  /** Finds an upload that an earlier push has begun. @returns is the blob there already? */
  async #takeUp(): Promise<boolean> {
    const { digest, session } = this.#blob;
    if (session === undefined) {
      const left = this.#options.left.take(this.#target, digest);
      if (left) this.#upload = left.isFresh ? { ...left, isResumed: false } : await this.#standingOf(left);
      return false;
    }
    const location = await this.#locationOf(session);
    this.#upload = location && (await this.#standingThere(location));
    if (this.#upload) return false;
    // As long as the registry cannot be asked anything, what was kept stays.
    const isThere = await hasBlob(this.#target, digest);
    await this.#forget();
    return isThere;
  }

  /** What was kept may be of a time when the peer was elsewhere. */
  async #locationOf(session: string): Promise<URL | undefined> {
    const { api, guard } = this.#target;
    const url = URL.parse(session);
    try {
      return url ? await checkedLocation(url, api, guard) : undefined;
    } catch (error) {
      if (error instanceof UpstreamError && error.code === 'INVALID') return undefined;
      throw error;
    }
  }

  /** An upload, as the registry says that it stands; undefined: it is of no use. */
  async #standing(location: URL): Promise<Upload | undefined> {
    const { sizeBytes } = this.#blob;
    const isLarge = sizeBytes >= WORTH_KEEPING_BYTES;
    const state = await (isLarge ? settledStatus : uploadStatus)(this.#target, location, sizeBytes);
    if (!state) return undefined;
    if (state.receivedBytes <= sizeBytes) return { ...state, isResumed: true };
    await this.#options.left.cancel(this.#target, state.location);
    return undefined;
  }

  /** The same; an upload that cannot be asked for now is for the next push. */
  async #standingOf(upload: UploadState): Promise<Upload | undefined> {
    try {
      return await this.#standing(upload.location);
    } catch (error) {
      this.#leave(upload);
      throw error;
    }
  }

  /** The same; a host that is not the registry's own may be gone for good, and would be asked for ever. */
  async #standingThere(location: URL): Promise<Upload | undefined> {
    const { api, signal } = this.#target;
    try {
      return await this.#standing(location);
    } catch (error) {
      const mayBeGone = error instanceof UpstreamError && location.origin !== api.base.origin;
      if (mayBeGone && signal?.aborted !== true) return undefined;
      throw error;
    }
  }

  /** Sends what the registry does not have yet. */
  async #send(first: Upload): Promise<void> {
    const { digest, sizeBytes } = this.#blob;
    const chunkBytes = this.#options.chunkBytes ?? sizeBytes;
    const isSmall = sizeBytes - first.receivedBytes <= chunkBytes;
    await this.#tell(first);
    const last = isSmall && !this.#isByPatch ? first : await this.#sendChunks(first, chunkBytes);
    const part = this.#partOf(last, sizeBytes, last.isResumed);
    await finishUpload(this.#target, { location: last.location, digest }, part);
  }

  /** Sends all there is, but leaves the end to be said. */
  async #sendChunks(first: Upload, chunkBytes: number): Promise<Upload> {
    let upload = first;
    while (upload.receivedBytes < this.#blob.sizeBytes) {
      upload = await this.#sendChunk(upload, Math.max(chunkBytes, upload.minChunkBytes));
      this.#upload = upload;
      await this.#tell(upload);
    }
    return upload;
  }

  async #sendChunk(upload: Upload, chunkBytes: number): Promise<Upload> {
    const { upstream } = this.#target.api;
    const endBytes = Math.min(this.#blob.sizeBytes, upload.receivedBytes + chunkBytes);
    const state = await sendChunk(this.#target, upload.location, this.#partOf(upload, endBytes, true));
    const { receivedBytes } = state;
    const minChunkBytes = Math.max(upload.minChunkBytes, state.minChunkBytes);
    if (receivedBytes > upload.receivedBytes && receivedBytes <= endBytes) {
      return { ...state, minChunkBytes, isResumed: true };
    }
    throw new UpstreamError(
      'INVALID',
      upstream,
      `has ${receivedBytes} bytes of an upload after it was sent ${endBytes}`,
    );
  }

  #partOf({ receivedBytes }: Upload, endBytes: number, isRange: boolean): UploadPart {
    const body = blobPart(this.#blob, { startBytes: receivedBytes, endBytes }, this.#target.api.upstream);
    return { body, startBytes: receivedBytes, isRange };
  }

  /** After a failure: another upload, or the same from where it stands. @returns is the blob there already? */
  async #recover(error: unknown): Promise<boolean> {
    const upload = this.#upload;
    const isResumed = upload?.isResumed === true;
    const verdict = judgePushFailure(error, { isResumed, hasRestarted: this.#hasRestarted, asked: this.#asked });
    if (verdict === 'leave') {
      this.#leave(upload);
      throw error;
    }
    if (verdict === 'ask' && upload && (await this.#ask(upload))) return false;
    const useless = verdict === 'ask' || verdict === 'giveUp' ? this.#upload : undefined;
    this.#upload = undefined;
    await this.#forget();
    if (useless) await this.#options.left.cancel(this.#target, useless.location);
    if (verdict === 'giveUp' || this.#hasRestarted) throw error;
    this.#hasRestarted = true;
    this.#isByPatch = false;
    return verdict === 'lookFirst' && hasBlob(this.#target, this.#blob.digest);
  }

  /** Can it go on after all? @returns false: there is no such upload, or it goes on in no way */
  async #ask(upload: Upload): Promise<boolean> {
    this.#asked += 1;
    this.#upload = await this.#standingOf(upload);
    if (!this.#upload) return false;
    if (this.#upload.receivedBytes !== upload.receivedBytes) return true;
    // It stands where we went on: so it is not the place, but how the rest came.
    const wasByPatch = this.#isByPatch;
    this.#isByPatch = true;
    return !wasByPatch;
  }

  /** Of an upload that the caller does not keep the next push of the blob is told. */
  #leave(upload: UploadState | undefined): void {
    if (!upload || this.#session !== undefined) return;
    this.#options.left.keep(this.#target, this.#blob.digest, { ...upload, isFresh: false });
  }

  async #tell({ location }: Upload): Promise<void> {
    const { href } = location;
    const isWorthIt = this.#blob.sizeBytes >= WORTH_KEEPING_BYTES && href.length <= MAX_SESSION_LENGTH;
    if (!isWorthIt || href === this.#session) return;
    await this.#blob.onSession(href);
    this.#session = href;
  }

  async #forget(): Promise<void> {
    if (this.#session === undefined) return;
    this.#session = undefined;
    await this.#blob.onSession(undefined);
  }
}
