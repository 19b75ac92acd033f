import type { DigestAlgorithm } from '../../oci/digest.ts';
import { ContentError } from '../content-error.ts';
import type { HashPool } from './hash-pool.ts';
import type { ContentHash } from './running-hash.ts';

/** The hash worker is told of progress in steps of this size: a message for every packet would cost more than hashing. */
const STEP_BYTES = 1024 * 1024;

/**
 * The hash of a file that grows, right behind its writer. The sum can be asked for more than once, also after more has come,
 * and by another algorithm: then the file is read once more.
 */
export class FollowingHash {
  readonly #pool: HashPool;
  readonly #fd: number;
  readonly #algorithm: DigestAlgorithm;
  #following: ContentHash | undefined;
  #toldBytes = 0;
  #isStopped = false;
  readonly #finishing = new Set<ContentHash>();
  #asked:
    | { readonly algorithm: DigestAlgorithm; readonly sizeBytes: number; readonly hex: Promise<string> }
    | undefined;

  /**
   * @param fd stays open until this is stopped
   * @throws ContentError the pool is closed
   */
  constructor(pool: HashPool, fd: number, algorithm: DigestAlgorithm) {
    this.#pool = pool;
    this.#fd = fd;
    this.#algorithm = algorithm;
    this.#following = pool.start(fd, algorithm);
  }

  /** Bytes up to here are in the file now, and stay as they are. */
  advance(toBytes: number): void {
    if (toBytes - this.#toldBytes < STEP_BYTES) return;
    this.#toldBytes = toBytes;
    this.#following?.advance(toBytes);
  }

  /** The sum of so many bytes, in hex. @throws ContentError */
  sum(algorithm: DigestAlgorithm, sizeBytes: number): Promise<string> {
    if (this.#asked?.algorithm === algorithm && this.#asked.sizeBytes === sizeBytes) return this.#asked.hex;
    const hex = this.#finish(algorithm, sizeBytes);
    const asked = { algorithm, sizeBytes, hex };
    this.#asked = asked;
    hex.catch(() => {
      // The next one reads anew.
      if (this.#asked === asked) this.#asked = undefined;
    });
    return hex;
  }

  /** Ends it; when it returns the file is no longer read. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const hashes = [...this.#finishing, ...(this.#following ? [this.#following] : [])];
    await Promise.all(hashes.map((hash) => hash.stop()));
  }

  async #finish(algorithm: DigestAlgorithm, sizeBytes: number): Promise<string> {
    if (this.#isStopped) throw new ContentError('STORE_FAILED', 'hashing was stopped');
    const hash = this.#take(algorithm) ?? this.#pool.start(this.#fd, algorithm);
    this.#finishing.add(hash);
    try {
      return await hash.finish(sizeBytes);
    } finally {
      this.#finishing.delete(hash);
    }
  }

  #take(algorithm: DigestAlgorithm): ContentHash | undefined {
    if (algorithm !== this.#algorithm) return undefined;
    const hash = this.#following;
    this.#following = undefined;
    return hash;
  }
}
