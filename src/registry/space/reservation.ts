/** Space that was promised to a download or an upload. */
export class Reservation {
  readonly registry: string;
  readonly #onEnd: (reservation: Reservation) => void;
  #bytes: number;
  #writtenBytes = 0;

  constructor(registry: string, bytes: number, onEnd: (reservation: Reservation) => void) {
    this.registry = registry;
    this.#bytes = bytes;
    this.#onEnd = onEnd;
  }

  /** What is promised, as the disk counts it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What of it has not come to the disk yet. */
  get unwrittenBytes(): number {
    return Math.max(0, this.#bytes - this.#writtenBytes);
  }

  grow(bytes: number): void {
    this.#bytes += bytes;
  }

  /** No more will be written. */
  shrinkToWritten(): void {
    this.#bytes = Math.min(this.#bytes, this.#writtenBytes);
  }

  /** So much is on the disk, and no more will be written unless it is promised anew. */
  settle(bytes: number): void {
    this.#bytes = bytes;
    this.#writtenBytes = bytes;
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  /** The space is used by stored content now, or free again. */
  release(): void {
    this.#onEnd(this);
  }
}

/** What was promised to all of them. */
export function sumUp(reservations: Iterable<Reservation>): {
  readonly bytes: number;
  readonly unwrittenBytes: number;
  readonly bytesByRegistry: ReadonlyMap<string, number>;
} {
  const bytesByRegistry = new Map<string, number>();
  let [bytes, unwrittenBytes] = [0, 0];
  for (const reservation of reservations) {
    const { registry } = reservation;
    bytesByRegistry.set(registry, (bytesByRegistry.get(registry) ?? 0) + reservation.bytes);
    bytes += reservation.bytes;
    unwrittenBytes += reservation.unwrittenBytes;
  }
  return { bytes, unwrittenBytes, bytesByRegistry };
}
