import type { MetadataIndex } from '../metadata/metadata-index.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import { Alarm } from '../util/alarm.ts';
import type { Scan, ScanReport } from './comparing/scan.ts';
import type { Link } from './link.ts';

export interface FullScanOptions {
  readonly index: Pick<MetadataIndex, 'readNote' | 'writeNote'>;
  readonly link: Link;
  readonly scan: Scan;
  readonly telemetry: Telemetry;
  /** There are jobs that were not there before. */
  readonly onJobs: () => void;
}

/** One who waits until all is looked through. */
interface Waiter {
  /** The request that is waited for. */
  readonly number: number;
  readonly resolve: (report: ScanReport) => void;
  readonly reject: (error: unknown) => void;
}

const FIRST_PAUSE_MS = 5000;
const MAX_PAUSE_MS = 5 * 60_000;

/**
 * Looks through all that a link is about when events do not tell it: when it is new, has missed some, or is told to. What
 * is due stays so until it has come to its end, over restarts.
 */
export class FullScan implements AsyncDisposable {
  readonly #options: FullScanOptions;
  readonly #note: string;
  readonly #alarm = new Alarm();
  readonly #stop = new AbortController();
  #waiters: Waiter[] = [];
  /** Requests up to now; those up to `#done` are fulfilled. */
  #requests = 0;
  #done = 0;
  #dueSinceMs: number | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: FullScanOptions) {
    this.#options = options;
    const { rule, peer } = options.link.name;
    this.#note = `replication.scan.${rule}/${peer}`;
  }

  /** Since when it is due; undefined: it is not. */
  get dueSinceMs(): number | undefined {
    return this.#dueSinceMs;
  }

  /** Takes up what an earlier run left. @throws MetadataError */
  async load(): Promise<void> {
    const note = await this.#options.index.readNote(this.#note);
    if (note === undefined) return;
    this.#dueSinceMs = /^\d{1,15}$/.test(note) ? Number(note) : Date.now();
    this.#requests += 1;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** All has to be looked through that is here now. @throws MetadataError */
  async request(): Promise<void> {
    this.#requests += 1;
    const isDue = this.#dueSinceMs !== undefined;
    this.#dueSinceMs ??= Date.now();
    if (!isDue) await this.#options.index.writeNote(this.#note, String(this.#dueSinceMs));
    this.#alarm.ring();
  }

  /** The same, and waits until it is done; the waiting ends with the signal. @throws MetadataError; the signal's reason */
  async requested(signal: AbortSignal): Promise<ScanReport> {
    await this.request();
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ScanReport>();
    const waiter = { number: this.#requests, resolve, reject };
    const onAbort = () => reject(signal.reason);
    this.#waiters.push(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    }
  }

  /** Ends at once; it begins again after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#alarm.ring();
    await this.#running;
    for (const { reject } of this.#waiters) reject(this.#stop.signal.reason);
  }

  async #run(): Promise<void> {
    const { link, telemetry } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      if (this.#requests === this.#done) {
        await this.#alarm.wait(Infinity);
        continue;
      }
      try {
        await this.#scan();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        telemetry.log.error(
          { ...link.name, ...describeError(error) },
          'what a rule is about could not be looked through',
        );
        for (const waiter of this.#waiters) waiter.reject(error);
        await this.#alarm.wait(Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS));
        failures += 1;
      }
    }
  }

  async #scan(): Promise<void> {
    const { index, link, scan, telemetry, onJobs } = this.#options;
    const { signal } = this.#stop;
    const number = this.#requests;
    telemetry.replication.scanBegun(link.name);
    const report = await scan(link, { signal, onProgress: onJobs });
    onJobs();
    this.#done = number;
    telemetry.replication.scanDone({ ...link.name, ...report });
    for (const waiter of this.#waiters) if (waiter.number <= number) waiter.resolve(report);
    if (this.#requests > number) return;
    await index.writeNote(this.#note, undefined);
    // It may have been asked for again meanwhile.
    if (this.#requests > number) await index.writeNote(this.#note, String(this.#dueSinceMs));
    else this.#dueSinceMs = undefined;
  }
}
