import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RegistryEvent } from '../../metadata/event-index.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import { sleep } from '../../util/sleep.ts';
import { wholeActs } from './acts.ts';
import type { EventLog } from './event-log.ts';
import { ReaderPosition } from './reader-position.ts';

export interface EventFeedOptions {
  readonly index: EventLog;
  /** Who reads: the name under which is kept how far it is. */
  readonly reader: string;
  /** Where a reader begins that was never here. */
  readonly from: 'oldest' | 'newest';
  readonly telemetry: Telemetry;
  /** So many events are read at once. */
  readonly pageEvents?: number;
  /** So many are read at most before they are settled. */
  readonly maxOpenEvents?: number;
}

/** How far behind a reader is. */
export interface FeedLag {
  /** Events that are read and not settled, and at most so many more that are not read yet. */
  readonly events: number;
  /** When the oldest event that is read and not settled happened. */
  readonly oldestAtMs: number | undefined;
}

const PAGE_EVENTS = 256;
const MAX_OPEN_EVENTS = 4096;
/** A log that cannot be read is tried again after so long. */
const TROUBLE_MS = 5000;

/**
 * The event log, read by one reader that is told each event at least once: what it has not settled is given to it again
 * after a restart. It may settle in any order; what is kept over restarts is the number below which everything is settled.
 */
export class EventFeed implements AsyncDisposable {
  readonly #options: EventFeedOptions;
  readonly #pageEvents: number;
  readonly #maxOpenEvents: number;
  readonly #position: ReaderPosition;
  /** Times of the events that were given out and not settled, by number, in order. */
  readonly #open = new Map<number, number>();
  #readUpTo = 0;
  #change = Promise.withResolvers<void>();

  constructor(options: EventFeedOptions) {
    this.#options = options;
    this.#pageEvents = options.pageEvents ?? PAGE_EVENTS;
    this.#maxOpenEvents = Math.max(options.maxOpenEvents ?? MAX_OPEN_EVENTS, this.#pageEvents);
    this.#position = new ReaderPosition(options);
  }

  /**
   * Finds its place. What happens from now on is not missed.
   * @returns how many events at most went from the log while nobody read it for this reader
   * @throws MetadataError
   */
  async load(): Promise<number> {
    const { index, from } = this.#options;
    const wasHere = await this.#position.load(from);
    this.#readUpTo = this.#position.sequence;
    if (!wasHere) return 0;
    const [next] = await index.readEvents(this.#readUpTo, 1);
    const missed = (next ? next.sequence - 1 : await index.lastEvent()) - this.#readUpTo;
    return Math.max(0, missed);
  }

  /** The events in order, for one who iterates; what was written at once comes at once. Ends when the signal fires. */
  async *pages(signal: AbortSignal): AsyncGenerator<readonly RegistryEvent[], void> {
    using _listening = this.#options.index.onEvents(() => this.#change.resolve());
    const onAbort = () => this.#change.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!signal.aborted) {
        this.#change = Promise.withResolvers();
        const events = await this.#read(signal);
        if (signal.aborted) return;
        if (events.length === 0) await this.#change.promise;
        else {
          yield events;
          // The index answers within a turn: a reader far behind would let nobody else run.
          await nextTurn();
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** What these events asked for is done. */
  settle(events: readonly Pick<RegistryEvent, 'sequence'>[]): void {
    for (const { sequence } of events) this.#open.delete(sequence);
    this.#advance();
    this.#change.resolve();
  }

  /** Was it given out and not settled? */
  isOpen(event: Pick<RegistryEvent, 'sequence'>): boolean {
    return this.#open.has(event.sequence);
  }

  /** These go from the log: nobody waits for them any more. @returns those that are lost to the reader */
  abandon(events: readonly RegistryEvent[]): RegistryEvent[] {
    const lost = events.filter((event) => event.sequence > this.#readUpTo || this.isOpen(event));
    this.#readUpTo = Math.max(this.#readUpTo, events.at(-1)?.sequence ?? 0);
    this.settle(lost);
    return lost;
  }

  async lag(): Promise<FeedLag> {
    const last = await this.#options.index.lastEvent();
    const [oldestAtMs] = this.#open.values();
    return { events: this.#open.size + Math.max(0, last - this.#readUpTo), oldestAtMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#position[Symbol.asyncDispose]();
  }

  async #read(signal: AbortSignal): Promise<readonly RegistryEvent[]> {
    if (this.#open.size + this.#pageEvents > this.#maxOpenEvents) return [];
    const { index, reader, telemetry } = this.#options;
    try {
      const page = await index.readEvents(this.#readUpTo, this.#pageEvents);
      // While it was read some may have been abandoned.
      const events = wholeActs(page, this.#pageEvents).filter(({ sequence }) => sequence > this.#readUpTo);
      for (const { sequence, atMs } of events) this.#open.set(sequence, atMs);
      this.#readUpTo = events.at(-1)?.sequence ?? this.#readUpTo;
      return events;
    } catch (error) {
      telemetry.log.error({ reader, ...describeError(error) }, 'the event log cannot be read');
      await sleep(TROUBLE_MS, signal);
      this.#change.resolve();
      return [];
    }
  }

  #advance(): void {
    const [oldest] = this.#open.keys();
    this.#position.advance(oldest === undefined ? this.#readUpTo : oldest - 1);
  }
}
