import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { EventLog } from './event-log.ts';

export interface ReaderPositionOptions {
  readonly index: EventLog;
  readonly reader: string;
  readonly telemetry: Telemetry;
}

/** A crash costs so much: what was done within it is done again. A write is an fsync, on the event loop. */
const SAVE_MS = 1000;

/** Where a reader of the event log is, kept over restarts in a note of the index. */
export class ReaderPosition implements AsyncDisposable {
  readonly #options: ReaderPositionOptions;
  readonly #key: string;
  #sequence = 0;
  #savedSequence = 0;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ReaderPositionOptions) {
    this.#options = options;
    this.#key = `events.${options.reader}`;
  }

  /** Everything up to that number is done. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * Takes up what an earlier run left. @param from where a reader begins that was never here
   * @returns whether it was here before
   * @throws MetadataError
   */
  async load(from: 'oldest' | 'newest'): Promise<boolean> {
    const { index } = this.#options;
    const last = await index.lastEvent();
    const note = await index.readNote(this.#key);
    const found = note !== undefined && /^\d{1,15}$/.test(note) ? Number(note) : undefined;
    // A log that was begun anew has smaller numbers.
    this.#sequence = this.#savedSequence = Math.min(found ?? (from === 'newest' ? last : 0), last);
    // Without it the next start would pass over what happens until something is done.
    if (found === undefined) await index.writeNote(this.#key, String(this.#sequence));
    return found !== undefined;
  }

  /** Goes on; it never goes back. Written soon. */
  advance(sequence: number): void {
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#saving = this.#saving.then(() => this.#save());
    }, SAVE_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#saving;
    await this.#save();
  }

  async #save(): Promise<void> {
    const sequence = this.#sequence;
    if (sequence === this.#savedSequence) return;
    const { index, reader, telemetry } = this.#options;
    try {
      await index.writeNote(this.#key, String(sequence));
      this.#savedSequence = sequence;
    } catch (error) {
      telemetry.log.error({ reader, ...describeError(error) }, 'how far the events are read could not be noted');
    }
  }
}
