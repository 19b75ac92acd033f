import type { RegistryEvent } from '../metadata/event-index.ts';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { NewJob } from '../metadata/replication-index.ts';
import { EventFeed } from '../registry/events/event-feed.ts';
import type { EventLog } from '../registry/events/event-log.ts';
import { findRoot } from '../registry/pushing/look-up.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import { Alarm } from '../util/alarm.ts';
import { giveWay } from '../util/give-way.ts';
import { type RuleScope, scopeOf } from './comparing/rule-scope.ts';
import type { FullScan } from './full-scan.ts';
import type { Link } from './link.ts';
import { type PlannedJob, planJobs } from './planning.ts';

export interface LinkReaderOptions {
  readonly index: EventLog & Pick<MetadataIndex, 'enqueueJobs' | 'listRoots'>;
  readonly link: Link;
  /** For what events do not tell. */
  readonly fullScan: FullScan;
  /** Names of the peer's site as they are known by now. */
  readonly sites: () => ReadonlySet<string>;
  readonly telemetry: Telemetry;
  /** There are jobs that were not there before. */
  readonly onJobs: () => void;
}

/** Jobs that are made at once, then others have their turn: some 1 ms. */
const BATCH = 8;
/** While clients have much to ask for, this is what each of these waits. */
const WAY_MS = 30;
const TROUBLE_MS = 5000;

/** Makes jobs of events for one link. An event is done with when its jobs are written: they outlive the event. */
export class LinkReader implements AsyncDisposable {
  readonly #options: LinkReaderOptions;
  readonly #feed: EventFeed;
  readonly #scope: RuleScope;
  readonly #stop = new AbortController();
  readonly #alarm = new Alarm();
  /** The number of the newest event that was read. */
  #readUpTo = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(options: LinkReaderOptions) {
    const { index, link, telemetry } = options;
    const { rule, peer } = link.name;
    this.#options = options;
    this.#scope = scopeOf(link.rule);
    this.#feed = new EventFeed({ index, telemetry, reader: `replication.${rule}/${peer}`, from: 'newest' });
  }

  /** Finds its place in the log: what happens from now on is not missed. @throws MetadataError */
  async prepare({ isNew }: { isNew: boolean }): Promise<void> {
    const { index, fullScan } = this.#options;
    const missed = await this.#feed.load();
    if (isNew || missed > 0) await fullScan.request();
    this.#readUpTo = (await index.lastEvent()) - (await this.#feed.lag()).events;
  }

  start(): void {
    this.#reading = this.#read();
  }

  /** These go from the log, read or not. */
  abandon(events: readonly RegistryEvent[]): void {
    const lost = this.#feed.abandon(events);
    this.#readUpTo = Math.max(this.#readUpTo, events.at(-1)?.sequence ?? 0);
    if (lost.length === 0) return;
    const { fullScan, link, telemetry } = this.#options;
    fullScan.request().catch((error: unknown) => {
      telemetry.log.error({ ...link.name, ...describeError(error) }, 'missed events of replication could not be noted');
    });
  }

  /** When the oldest event happened that has no jobs yet; undefined: there is none. @throws MetadataError */
  async behindSinceMs(): Promise<number | undefined> {
    const { events, oldestAtMs } = await this.#feed.lag();
    if (events === 0 || oldestAtMs !== undefined) return oldestAtMs;
    const [next] = await this.#options.index.readEvents(this.#readUpTo, 1);
    return next?.atMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#alarm.ring();
    await this.#reading;
    await this.#feed[Symbol.asyncDispose]();
  }

  async #read(): Promise<void> {
    const { link, sites } = this.#options;
    const { signal } = this.#stop;
    for await (const events of this.#feed.pages(signal)) {
      const planned = planJobs(events, { scope: this.#scope, peer: link.name.peer, sites: sites() });
      if (planned.length > 0 && !(await this.#enqueue(planned))) return;
      this.#feed.settle(events);
      this.#readUpTo = events.at(-1)?.sequence ?? this.#readUpTo;
    }
  }

  /** Tries until it works. @returns false: it was stopped before, and the events come again */
  async #enqueue(planned: readonly PlannedJob[]): Promise<boolean> {
    const { link, telemetry } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#enqueueOnce(planned);
        return true;
      } catch (error) {
        telemetry.log.error({ ...link.name, ...describeError(error) }, 'jobs of replication could not be written');
        await this.#alarm.wait(TROUBLE_MS);
      }
    }
    return false;
  }

  async #enqueueOnce(planned: readonly PlannedJob[]): Promise<void> {
    const { index, onJobs } = this.#options;
    for (let start = 0; start < planned.length; start += BATCH) {
      if (start > 0) await giveWay(WAY_MS);
      await index.enqueueJobs(await this.#withSizes(planned.slice(start, start + BATCH)));
      onJobs();
    }
  }

  async #withSizes(planned: readonly PlannedJob[]): Promise<NewJob[]> {
    const jobs: NewJob[] = [];
    for (const { job, digest } of planned) {
      const root = job.deleted === undefined ? await findRoot(this.#options.index, job.repository, digest) : undefined;
      jobs.push(root ? { ...job, sizeBytes: root.sizeBytes } : job);
    }
    return jobs;
  }
}
