import { LRUCache } from 'lru-cache';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Digest } from '../../oci/digest.ts';
import type { Peer, PeerCallOptions } from '../../upstream/peer.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import { KeyedLock } from '../../util/keyed-lock.ts';

export interface PeerMemoryOptions {
  /** Blobs at the same time, over all jobs. */
  readonly maxConnections: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

const MAX_DIGESTS = 100_000;
const MAX_HOLDERS = 8;
const MAX_SESSIONS = 1000;
const MAX_LISTINGS = 1000;
const ANSWERS: ReadonlySet<string> = new Set(['DENIED', 'NOT_FOUND', 'REFUSED']);
/** A peer may be replaced by another registry. */
const KNOWN_FOR_MS = 10 * 60_000;
const SPARSE_REFUSED_FOR_MS = 60 * 60_000;

/** What jobs share that send to the same peer: their limits, and what they have seen there. All of it may be forgotten. */
export class PeerMemory {
  /** For requests about blobs. */
  readonly slots: LimitFunction;
  /** For jobs at once. */
  readonly maxConnections: number;
  /** One at a time: of a digest, and of a tag in a repository. */
  readonly turns = new KeyedLock();
  /** Upload sessions by repository and digest: whoever sends that blob next goes on with it. */
  readonly sessions = new LRUCache<string, string>({ max: MAX_SESSIONS });
  /** What indexes there list. */
  readonly listings = new LRUCache<Digest, ReadonlySet<Digest>>({ max: MAX_LISTINGS });
  /** Undefined: not known yet. */
  hasReferrersApi: boolean | undefined;
  readonly #now: () => number;
  readonly #holders = new LRUCache<Digest, readonly string[]>({ max: MAX_DIGESTS });
  #sparseRefusedAt = -Infinity;
  #kind: { readonly isEntrepot: boolean; readonly at: number } | undefined;

  constructor({ maxConnections, now = () => performance.now() }: PeerMemoryOptions) {
    this.maxConnections = maxConnections;
    this.slots = pLimit(maxConnections);
    this.#now = now;
  }

  /** The repository there has it. */
  noteHolder(digest: Digest, path: string): void {
    const others = this.holdersOf(digest).filter((holder) => holder !== path);
    this.#holders.set(digest, [path, ...others].slice(0, MAX_HOLDERS));
  }

  forgetHolder(digest: Digest, path: string): void {
    const others = this.holdersOf(digest).filter((holder) => holder !== path);
    if (others.length > 0) this.#holders.set(digest, others);
    else this.#holders.delete(digest);
  }

  /** Repositories there that are known to have it, those seen last first. */
  holdersOf(digest: Digest): readonly string[] {
    return this.#holders.get(digest) ?? [];
  }

  /** It did not take an index without all its children. */
  noteSparseRefused(): void {
    this.#sparseRefusedAt = this.#now();
  }

  get isSparseRefused(): boolean {
    return this.#now() - this.#sparseRefusedAt < SPARSE_REFUSED_FOR_MS;
  }

  /** Is it a site like this one? @throws UpstreamError */
  async isEntrepot(peer: Pick<Peer, 'ping'>, call: PeerCallOptions): Promise<boolean> {
    if (this.#kind && this.#now() - this.#kind.at < KNOWN_FOR_MS) return this.#kind.isEntrepot;
    this.#kind = { isEntrepot: (await siteOf(peer, call)) !== undefined, at: this.#now() };
    return this.#kind.isEntrepot;
  }
}

/** One that knows us and answers "no" is not a site like this one, and may take what it is sent all the same. */
async function siteOf(peer: Pick<Peer, 'ping'>, call: PeerCallOptions): Promise<string | undefined> {
  try {
    return (await peer.ping(call)).site;
  } catch (error) {
    if (error instanceof UpstreamError && ANSWERS.has(error.code) && error.status !== 401) return undefined;
    throw error;
  }
}
