import type { RegistryEvent } from '../../metadata/event-index.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import { sleep } from '../../util/sleep.ts';
import type { EventLog } from './event-log.ts';

export interface EventTrimmingOptions {
  readonly index: EventLog;
  readonly telemetry: Telemetry;
  /** How long an event is kept; may be Infinity. */
  readonly keepMs: number;
  /** Told of events before they go. */
  readonly onTrim: (events: readonly RegistryEvent[]) => void;
  /** How often it is looked what is too old; default: a tenth of `keepMs`, ten minutes at most. */
  readonly everyMs?: number;
  /** So many go at once. */
  readonly pageEvents?: number;
}

const MAX_EVERY_MS = 10 * 60_000;
/** Some 5 ms of the event loop. */
const PAGE_EVENTS = 500;
/** Others come first. */
const REST_MS = 50;

/** Takes from the event log what is older than it has to be, read or not, a little at a time. */
export class EventTrimming implements AsyncDisposable {
  readonly #options: EventTrimmingOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: EventTrimmingOptions) {
    this.#options = options;
  }

  /** The first time is not at once: after a long standstill readers get a chance to be told what is about to go. */
  start(): void {
    if (this.#options.keepMs !== Infinity) this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { keepMs, everyMs = Math.min(keepMs / 10, MAX_EVERY_MS), telemetry } = this.#options;
    const { signal } = this.#stop;
    for (;;) {
      await sleep(everyMs, signal);
      if (signal.aborted) return;
      try {
        await this.#trim(Date.now() - keepMs);
      } catch (error) {
        telemetry.log.error(describeError(error), 'the event log could not be trimmed');
      }
    }
  }

  async #trim(beforeMs: number): Promise<void> {
    const { index, onTrim, pageEvents = PAGE_EVENTS } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const page = await index.readEvents(0, pageEvents);
      const young = page.findIndex(({ atMs }) => atMs >= beforeMs);
      const old = young === -1 ? page : page.slice(0, young);
      if (old.length === 0) return;
      onTrim(old);
      await index.trimEvents({ beforeMs }, old.length);
      if (old.length < pageEvents) return;
      await sleep(REST_MS, signal);
    }
  }
}
