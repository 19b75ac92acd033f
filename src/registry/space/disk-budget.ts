import pLimit from 'p-limit';
import type { ContentStore } from '../../content/content-store.ts';
import type { UpkeepIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BypassReason } from '../../telemetry/telemetry.ts';
import { diskBytesOf } from './disk-blocks.ts';
import { type Parked, ParkedPieces } from './parked-pieces.ts';
import { Reservation, sumUp } from './reservation.ts';
import { type RoomMaker, unmovableFor } from './room-maker.ts';
import {
  excessBytes,
  type Limit,
  roomFor,
  roomUnder,
  type SpaceLimits,
  type SpaceReading,
  withoutContent,
  withoutPieces,
} from './room.ts';

export interface DiskBudgetOptions {
  readonly store: Pick<ContentStore, 'space' | 'debris'>;
  readonly index: Pick<UpkeepIndex, 'usage'>;
  readonly limits: SpaceLimits;
}

/** What is asked for. */
interface Wish {
  readonly registry: string;
  readonly bytes: number;
  readonly resumed: Digest | undefined;
}

/** A ledger beside the pieces, and its folder's entry. */
const INGEST_OVERHEAD_BYTES = 8 * 1024;
/** There are three limits, of which another one may be in the way each time. */
const MAX_TURNS = 5;

/**
 * Who may write how much: all space is promised here before it is used, so that the quota and the free space of the disk
 * hold at every moment, whatever is under way.
 */
export class DiskBudget {
  readonly limits: SpaceLimits;
  readonly #options: DiskBudgetOptions;
  readonly #reservations = new Set<Reservation>();
  readonly #parked = new ParkedPieces();
  readonly #reading = pLimit(1);
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
   * @param resumed a download that goes on where it was broken off: its pieces, which are parked, become part of the promise
   * @returns why there is none, if there is none
   */
  async reserve(registry: string, sizeBytes: number, resumed?: Digest): Promise<Reservation | BypassReason> {
    const bytes = diskBytesOf(sizeBytes) + INGEST_OVERHEAD_BYTES;
    return this.#take({ registry, bytes, resumed }, () => {
      if (resumed !== undefined) this.#parked.unpark(resumed);
      return this.#add(registry, bytes);
    });
  }

  /**
   * Makes room for a download that is about to begin, and promises nothing yet.
   * @param digest the pieces of an earlier one stay, and need not be there twice
   * @returns why there is none, if there is none
   */
  async prepare(registry: string, sizeBytes: number, digest: Digest): Promise<BypassReason | undefined> {
    const bytes = diskBytesOf(sizeBytes) + INGEST_OVERHEAD_BYTES;
    using _awaited = this.#parked.await(digest);
    // Nothing is held even for a moment: whoever asks for the same blob just then would find no room.
    const nothing = new Reservation(registry, 0, () => undefined);
    const taken = await this.#take({ registry, bytes, resumed: digest }, () => nothing);
    return taken instanceof Reservation ? undefined : taken;
  }

  /** Promises more space to a download that needs more than was thought. @returns why there is none, if there is none */
  async extend(reservation: Reservation, sizeBytes: number): Promise<BypassReason | undefined> {
    const bytes = diskBytesOf(sizeBytes);
    const { registry } = reservation;
    const taken = await this.#take({ registry, bytes, resumed: undefined }, () => {
      reservation.grow(bytes);
      return reservation;
    });
    return taken instanceof Reservation ? undefined : taken;
  }

  /** Counts what an earlier run left on the disk for somebody to go on with: it is there, whether there is room or not. */
  hold(registry: string, sizeBytes: number): Reservation {
    const reservation = this.#add(registry, 0);
    this.settle(reservation, sizeBytes);
    return reservation;
  }

  /** Of what was promised so much is on the disk, and the rest will not be needed for now. */
  settle(reservation: Reservation, sizeBytes: number): void {
    reservation.settle(diskBytesOf(sizeBytes) + INGEST_OVERHEAD_BYTES);
  }

  /** The disk refused although there should have been room (a quota of the system, another program): makes some anyway. */
  async relieve(sizeBytes: number): Promise<void> {
    const usedBefore = (await this.read()).usage.diskBytes;
    const missing = async (): Promise<number> => sizeBytes - (usedBefore - (await this.read()).usage.diskBytes);
    await this.#roomMaker?.makeRoom(missing, undefined);
  }

  /**
   * Content was stored, or came to belong to one more repository: it counts for registries that it was not promised to. Where
   * one of them is above its quota now, what it has not used for the longest time goes. It never fails: the limits are looked
   * at again before long.
   */
  async share(): Promise<void> {
    const registries = [...this.limits.registryQuotas.keys()];
    if (registries.length === 0) return;
    const reading = await this.read().catch(() => undefined);
    if (!reading) return;
    for (const registry of registries) {
      if (roomUnder('upstream-quota', registry, reading, this.limits) < 0) this.#roomMaker?.trim(registry);
    }
  }

  /** A download was broken off and keeps its pieces. */
  park(parked: Parked): void {
    this.#parked.park(parked);
  }

  /** A download goes on where it was broken off, or its pieces are gone. */
  unpark(digest: Digest): void {
    this.#parked.unpark(digest);
  }

  /** Oldest first. */
  get parked(): readonly Parked[] {
    return this.#parked.all;
  }

  /** Of those, what nobody is about to go on with. */
  get abandoned(): readonly Parked[] {
    return this.#parked.abandoned;
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
    const reading = await this.read();
    const bytes =
      registry === undefined
        ? roomFor('', reading, this.limits).bytes
        : roomUnder('upstream-quota', registry, reading, this.limits);
    return Math.max(0, -bytes);
  }

  async #take(wish: Wish, grant: () => Reservation): Promise<Reservation | BypassReason> {
    const { registry, bytes } = wish;
    let limit: Limit = 'quota';
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const taken = await this.#reading(async () => {
        const room = roomFor(registry, await this.#readFor(wish), this.limits);
        return room.bytes >= bytes ? grant() : room.tightest;
      });
      if (taken instanceof Reservation || !this.#roomMaker) return taken;
      limit = taken;
      const hopeless = turn === 0 ? await this.#hopelessFor(wish) : undefined;
      if (hopeless !== undefined) return hopeless;
      let granted: Reservation | undefined;
      let missingBytes = 0;
      // Only the limit that is in the way: another one may be broken by others, and stay so. Where nothing is missing any
      // more it is taken at once: others wait for room as well.
      const missing = (): Promise<number> =>
        this.#reading(async () => {
          if (granted) return 0;
          const reading = await this.#readFor(wish);
          missingBytes = bytes - roomUnder(taken, registry, reading, this.limits);
          if (roomFor(registry, reading, this.limits).bytes >= bytes) granted = grant();
          return missingBytes;
        });
      await this.#roomMaker.makeRoom(missing, taken === 'upstream-quota' ? registry : undefined);
      if (granted) return granted;
      if (missingBytes > 0) return taken;
    }
    return limit;
  }

  /** Nothing is evicted for what would not fit in the end. */
  async #hopelessFor(wish: Wish): Promise<BypassReason | undefined> {
    const { registry, bytes } = wish;
    if (!this.#roomMaker) return undefined;
    const unmovable = await unmovableFor(wish, this.#roomMaker, this.limits);
    const reading = await this.#reading(() => this.#readFor(wish));
    // The pieces of broken-off downloads can go as well.
    const piecesBytes = this.#parked.bytes - this.#parked.bytesOf(wish.resumed);
    const best = withoutPieces(withoutContent(reading, unmovable), piecesBytes);
    const room = roomFor(registry, best, this.limits);
    return bytes > room.bytes ? room.tightest : undefined;
  }

  #add(registry: string, bytes: number): Reservation {
    const reservation = new Reservation(registry, bytes, (ended) => this.#reservations.delete(ended));
    this.#reservations.add(reservation);
    return reservation;
  }

  async #readFor({ resumed }: Wish): Promise<SpaceReading> {
    // As of the moment when all pieces are added up.
    const piecesBytes = this.#parked.bytesOf(resumed);
    return withoutPieces(await this.#read(), piecesBytes);
  }

  /**
   * One at a time, and nothing is promised meanwhile. What is promised is added up first: what is written or ends while the
   * rest is read counts twice then, and never not at all.
   */
  async #read(): Promise<SpaceReading> {
    const { bytes, unwrittenBytes, bytesByRegistry } = sumUp(this.#reservations);
    const parkedBytes = this.#parked.bytes;
    const [usage, { freeBytes, totalBytes, folderBytes }] = await Promise.all([
      this.#options.index.usage(),
      this.#options.store.space(),
    ]);
    return {
      usage,
      freeBytes,
      totalBytes,
      inFlightBytes: bytes + parkedBytes,
      unwrittenBytes,
      inFlightByRegistry: bytesByRegistry,
      debrisBytes: this.#debrisBytes,
      folderBytes,
    };
  }
}
