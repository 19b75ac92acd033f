import pLimit from 'p-limit';
import type { ContentStore } from '../../content/content-store.ts';
import type { UpkeepIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BypassReason } from '../../telemetry/telemetry.ts';
import { within } from '../../util/sleep.ts';
import { diskBytesOf } from './disk-blocks.ts';
import { Reservation } from './reservation.ts';
import { allowedBytes, excessBytes, roomFor, type SpaceLimits, type SpaceReading } from './room.ts';

export interface DiskBudgetOptions {
  readonly store: Pick<ContentStore, 'space' | 'debris'>;
  readonly index: Pick<UpkeepIndex, 'usage'>;
  readonly limits: SpaceLimits;
}

/** Makes room on the disk. Resolves when nothing is missing any more, or when nothing can be done about it. */
export interface RoomMaker {
  makeRoom(missingBytes: () => Promise<number>, registry: string | undefined): Promise<void>;
  /** What no eviction can remove. */
  unmovableBytes(): Promise<number>;
}

/** A download that was broken off, with what it keeps on the disk. */
export interface Parked {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly atMs: number;
}

/** A ledger beside the pieces, and its folder's entry. */
const INGEST_OVERHEAD_BYTES = 8 * 1024;
/** Beyond this part of the quota it is worth finding out what eviction could do at most. */
const LARGE_SHARE = 0.1;
const HOPELESS_MS = 250;
/** How often room is made for somebody and taken by others, before they are told that there is none. */
const MAX_TURNS = 5;

/**
 * Who may write how much: all space is promised here before it is used, so that the quota and the free space of the disk
 * hold at every moment, whatever is under way.
 */
export class DiskBudget {
  readonly limits: SpaceLimits;
  readonly #options: DiskBudgetOptions;
  readonly #reservations = new Set<Reservation>();
  readonly #parked = new Map<Digest, Parked>();
  readonly #reading = pLimit(1);
  /** Promised space that ended while the figures were being read: it may be missing in them. */
  #endedBytes = new Map<string, number>();
  #debrisBytes = 0;
  #roomMaker: RoomMaker | undefined;

  constructor(options: DiskBudgetOptions) {
    this.#options = options;
    this.limits = options.limits;
  }

  /** Who makes room when there is none. */
  use(roomMaker: RoomMaker): void {
    this.#roomMaker = roomMaker;
  }

  /**
   * Promises space for content, after making room for it if need be.
   * @returns why there is none, if there is none
   */
  async reserve(registry: string, sizeBytes: number): Promise<Reservation | BypassReason> {
    const bytes = diskBytesOf(sizeBytes) + INGEST_OVERHEAD_BYTES;
    const hopeless = await this.#hopelessFor(registry, bytes);
    if (hopeless !== undefined) return hopeless;
    return this.#take(registry, bytes, () => this.#add(registry, bytes));
  }

  /** Promises more space to a download whose size nobody told. @returns why there is none, if there is none */
  async extend(reservation: Reservation, sizeBytes: number): Promise<BypassReason | undefined> {
    const bytes = diskBytesOf(sizeBytes);
    const taken = await this.#take(reservation.registry, bytes, () => {
      reservation.grow(bytes);
      return reservation;
    });
    return taken instanceof Reservation ? undefined : taken;
  }

  /** A download was broken off and keeps its pieces. */
  park(parked: Parked): void {
    this.#parked.set(parked.digest, { ...parked, sizeBytes: diskBytesOf(parked.sizeBytes) });
  }

  /** A download goes on where it was broken off, or its pieces are gone. */
  unpark(digest: Digest): void {
    const parked = this.#parked.get(digest);
    if (parked) this.#noteEnd('', parked.sizeBytes);
    this.#parked.delete(digest);
  }

  /** Oldest first. */
  get parked(): readonly Parked[] {
    return [...this.#parked.values()].sort((one, other) => one.atMs - other.atMs);
  }

  /** Looks anew at what else lies in the data directory. */
  async measureDebris(): Promise<void> {
    const debris = await this.#options.store.debris();
    this.#debrisBytes = debris.reduce((sum, { sizeBytes }) => sum + diskBytesOf(sizeBytes), 0);
  }

  /** What is taken and what is free now. */
  read(): Promise<SpaceReading> {
    return this.#reading(() => this.#read());
  }

  /** By how much a registry, or everything, is above its low watermark. */
  async excess(registry: string | undefined): Promise<number> {
    return excessBytes(await this.read(), this.limits, registry);
  }

  /** By how much a limit is broken: by a registry's content, or by everything. */
  async deficit(registry: string | undefined): Promise<number> {
    const { bytes, tightest } = roomFor(registry ?? '', await this.read(), this.limits);
    const isOurs = registry === undefined || tightest === 'upstream-quota';
    return isOurs ? Math.max(0, -bytes) : 0;
  }

  async #take(registry: string, bytes: number, grant: () => Reservation): Promise<Reservation | BypassReason> {
    let reason: BypassReason = 'quota';
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const taken = await this.#reading(async () => {
        const room = roomFor(registry, await this.#read(), this.limits);
        return room.bytes >= bytes ? grant() : room.tightest;
      });
      if (taken instanceof Reservation || !this.#roomMaker) return taken;
      reason = taken;
      let missingBytes = 0;
      const missing = async (): Promise<number> => {
        missingBytes = bytes - roomFor(registry, await this.read(), this.limits).bytes;
        return missingBytes;
      };
      await this.#roomMaker.makeRoom(missing, reason === 'upstream-quota' ? registry : undefined);
      if (missingBytes > 0) return reason;
    }
    return reason;
  }

  /** Nothing is evicted for what would not fit in the end. */
  async #hopelessFor(registry: string, bytes: number): Promise<BypassReason | undefined> {
    const { registryQuotas } = this.limits;
    const allowed = allowedBytes(this.limits);
    if (bytes > (registryQuotas.get(registry) ?? Infinity)) return 'upstream-quota';
    if (bytes < allowed * LARGE_SHARE || !this.#roomMaker) return undefined;
    // Finding that out may take long the first time: then it is known the next time.
    const unmovableBytes = (await within(HOPELESS_MS, this.#roomMaker.unmovableBytes())) ?? 0;
    return bytes > allowed - unmovableBytes ? 'quota' : undefined;
  }

  #add(registry: string, bytes: number): Reservation {
    const reservation = new Reservation(registry, bytes, (ended) => {
      if (this.#reservations.delete(ended)) this.#noteEnd(registry, ended.bytes);
    });
    this.#reservations.add(reservation);
    return reservation;
  }

  #noteEnd(registry: string, bytes: number): void {
    this.#endedBytes.set(registry, (this.#endedBytes.get(registry) ?? 0) + bytes);
  }

  /** One at a time. What ends meanwhile counts as if it had not: its rows may have been read before they were there. */
  async #read(): Promise<SpaceReading> {
    this.#endedBytes = new Map();
    const [usage, { freeBytes }] = await Promise.all([this.#options.index.usage(), this.#options.store.space()]);
    const byRegistry = new Map(this.#endedBytes);
    let unwrittenBytes = 0;
    for (const reservation of this.#reservations) {
      byRegistry.set(reservation.registry, (byRegistry.get(reservation.registry) ?? 0) + reservation.bytes);
      unwrittenBytes += reservation.unwrittenBytes;
    }
    const parkedBytes = [...this.#parked.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return {
      usage,
      freeBytes,
      inFlightBytes: [...byRegistry.values()].reduce((sum, bytes) => sum + bytes, parkedBytes),
      unwrittenBytes,
      inFlightByRegistry: byRegistry,
      debrisBytes: this.#debrisBytes,
    };
  }
}
