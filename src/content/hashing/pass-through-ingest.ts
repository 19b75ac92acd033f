import { digestHex, type Digest } from '../../oci/digest.ts';
import { IntervalSet } from '../../util/interval-set.ts';
import { ContentError } from '../content-error.ts';
import type { ContentFile, Ingest, ReadonlyPieces } from '../content-store.ts';
import { passBytes } from './pass-bytes.ts';
import type { ContentHash } from './running-hash.ts';

/** An ingest that keeps nothing: it only hashes. */
export class PassThroughIngest implements Ingest {
  readonly digest: Digest;
  readonly #hash: ContentHash;
  readonly #have = new IntervalSet();
  #totalBytes: number | undefined;
  #closed = false;

  /** @param hash of no file */
  constructor(digest: Digest, hash: ContentHash) {
    this.digest = digest;
    this.#hash = hash;
  }

  get have(): ReadonlyPieces {
    return this.#have;
  }

  get totalBytes(): number | undefined {
    return this.#totalBytes;
  }

  describe(totalBytes: number): void {
    this.#totalBytes = totalBytes;
  }

  async write(): Promise<void> {
    throw new ContentError('STORE_FULL', `${this.digest} has no room in the store`);
  }

  pass(chunks: readonly Uint8Array[], positionBytes: number): void {
    if (this.#closed) throw new ContentError('STORE_FAILED', `the ingest of ${this.digest} has ended`);
    passBytes(this.#hash, this.#have, chunks, positionBytes);
  }

  openReader(): ContentFile {
    return {
      sizeBytes: this.#totalBytes ?? Number.MAX_SAFE_INTEGER,
      modifiedAtMs: undefined,
      read: async () => {
        throw this.#nothingKept();
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  async verify(): Promise<boolean> {
    return (await this.#hash.finish(this.#have.endFrom(0))) === digestHex(this.digest);
  }

  async commit(): Promise<void> {
    throw this.#nothingKept();
  }

  async discard(): Promise<void> {
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#hash.stop();
  }

  #nothingKept(): ContentError {
    return new ContentError('STORE_FAILED', `nothing of ${this.digest} was kept`);
  }
}
