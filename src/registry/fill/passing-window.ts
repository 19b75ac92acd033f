import { CodedError } from '../../util/coded-error.ts';

/** A reader's place in the window: it needs the bytes from there on. */
export interface WindowPlace {
  positionBytes: number;
  /** It was so slow that the others went on without it. */
  isLeftBehind: boolean;
  movedAtMs: number;
}

/** What is streamed through has no reader any more. */
export const NOBODY_READS = 'NOBODY_READS';

/** Kept in memory of a blob that is streamed through. */
const WINDOW_BYTES = 1024 * 1024;
/** A reader that takes nothing for so long holds up the others no more. */
const LAGGARD_MS = 5_000;
/** Without a reader it goes on for so long. */
const UNREAD_MS = 500;

/** The last bytes of a blob that is not kept: its readers share them, and the slowest of them sets the pace. */
export class PassingWindow {
  readonly #places = new Set<WindowPlace>();
  #chunks: { startBytes: number; bytes: Uint8Array }[] = [];
  #sizeBytes = 0;
  /** When the last reader went. */
  #leftAtMs = performance.now();
  #endBytes = 0;
  readonly #waiting = new Set<() => void>();

  /** A reader that begins here. */
  enter(positionBytes: number): WindowPlace {
    const place = { positionBytes, isLeftBehind: false, movedAtMs: performance.now() };
    this.#places.add(place);
    return place;
  }

  leave(place: WindowPlace): void {
    if (this.#places.delete(place)) this.#leftAtMs = performance.now();
    this.#trim();
  }

  move(place: WindowPlace, positionBytes: number): void {
    place.positionBytes = positionBytes;
    place.movedAtMs = performance.now();
    this.#trim();
  }

  /** Waits until there is room. @throws CodedError NOBODY_READS when nobody has read for a while */
  async room(): Promise<void> {
    for (;;) {
      const isRead = this.#places.size > 0;
      if (!isRead && performance.now() - this.#leftAtMs >= UNREAD_MS) {
        throw new CodedError(NOBODY_READS, 'nobody reads what is not kept');
      }
      if (this.#sizeBytes < WINDOW_BYTES) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const timer = setTimeout(() => (isRead ? this.#leaveBehind() : this.#wake()), isRead ? LAGGARD_MS : UNREAD_MS);
      await promise;
      clearTimeout(timer);
    }
  }

  /** Takes bytes that follow those before. */
  add(bytes: Uint8Array, startBytes: number): void {
    this.#chunks.push({ startBytes, bytes });
    this.#sizeBytes += bytes.length;
    this.#endBytes = startBytes + bytes.length;
    this.#trim();
  }

  /** Copies what is there from that offset on. @returns how many bytes; undefined: that offset has gone by */
  read(buffer: Uint8Array, positionBytes: number): number | undefined {
    const chunk = this.#chunks.find(
      ({ startBytes, bytes }) => startBytes <= positionBytes && positionBytes < startBytes + bytes.length,
    );
    if (!chunk) return undefined;
    const part = chunk.bytes.subarray(positionBytes - chunk.startBytes).subarray(0, buffer.length);
    buffer.set(part);
    return part.length;
  }

  /** Is that offset still here, or still to come? */
  isAhead(positionBytes: number, endBytes: number): boolean {
    return positionBytes >= (this.#chunks[0]?.startBytes ?? endBytes);
  }

  /** Only where somebody else would go on: a single reader may take its time. */
  #leaveBehind(): void {
    const now = performance.now();
    const slow = [...this.#places].filter(
      ({ positionBytes, movedAtMs }) => positionBytes < this.#endBytes && now - movedAtMs >= LAGGARD_MS,
    );
    if (slow.length < this.#places.size) {
      for (const place of slow) {
        place.isLeftBehind = true;
        this.#places.delete(place);
      }
    }
    this.#trim();
    this.#wake();
  }

  #trim(): void {
    // Somebody may be about to come: a client whose image was fetched ahead, or another one that left a moment too early.
    if (this.#places.size === 0) return this.#wake();
    let firstNeeded = Infinity;
    for (const { positionBytes } of this.#places) firstNeeded = Math.min(firstNeeded, positionBytes);
    let gone = 0;
    for (const { startBytes, bytes } of this.#chunks) {
      if (startBytes + bytes.length > firstNeeded) break;
      this.#sizeBytes -= bytes.length;
      gone += 1;
    }
    if (gone > 0) this.#chunks = this.#chunks.slice(gone);
    if (this.#sizeBytes < WINDOW_BYTES) this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
