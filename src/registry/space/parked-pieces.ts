import type { Digest } from '../../oci/digest.ts';
import { diskBytesOf } from './disk-blocks.ts';

/** A download that was broken off, with what it keeps on the disk. */
export interface Parked {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly atMs: number;
}

/** What broken-off downloads keep on the disk. */
export class ParkedPieces {
  readonly #parked = new Map<Digest, Parked>();
  /** Digests that somebody is about to go on with, and how many. */
  readonly #awaited = new Map<Digest, number>();

  park(parked: Parked): void {
    this.#parked.set(parked.digest, { ...parked, sizeBytes: diskBytesOf(parked.sizeBytes) });
  }

  unpark(digest: Digest): void {
    this.#parked.delete(digest);
  }

  /** What a download keeps, as the disk counts it. */
  bytesOf(digest: Digest | undefined): number {
    return (digest && this.#parked.get(digest)?.sizeBytes) ?? 0;
  }

  /** What all of them keep. */
  get bytes(): number {
    return this.#parked.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Oldest first. */
  get all(): readonly Parked[] {
    return [...this.#parked.values()].sort((one, other) => one.atMs - other.atMs);
  }

  /** Of those, what nobody is about to go on with. */
  get abandoned(): readonly Parked[] {
    return this.all.filter(({ digest }) => !this.#awaited.has(digest));
  }

  /** Somebody is about to go on with a download. Disposed of, nobody is, or it is under way. */
  await(digest: Digest): Disposable {
    this.#awaited.set(digest, (this.#awaited.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#awaited.get(digest) ?? 1) - 1;
        if (left === 0) this.#awaited.delete(digest);
        else this.#awaited.set(digest, left);
      },
    };
  }
}
