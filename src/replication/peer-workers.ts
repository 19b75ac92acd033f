import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JobControlIndex, JobIndex, ReplicationJob } from '../metadata/replication-index.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import { Alarm } from '../util/alarm.ts';
import { giveWay } from '../util/give-way.ts';
import { Attempt, type Ending } from './attempt.ts';
import type { DeletionGuard } from './comparing/deletion-guard.ts';
import { Conclusions } from './conclusions.ts';
import type { Copy } from './copying/copy.ts';
import { StalledError } from './judge-failure.ts';
import type { JobEnd, Link } from './link.ts';
import type { PeerHealth } from './peer-health.ts';
import type { PeerLimits } from './rule.ts';

export interface PeerWorkersOptions {
  readonly index: JobIndex & Pick<JobControlIndex, 'nextJobDue'>;
  readonly limits: PeerLimits;
  /** Of the peer's rules. */
  readonly links: readonly Link[];
  readonly copy: Copy;
  readonly guard: Pick<DeletionGuard, 'allows'>;
  readonly health: PeerHealth;
  readonly telemetry: Telemetry;
  /** A job that does nothing for so long is broken off. */
  readonly stallMs: number;
}

const LEASE_MS = 60_000;
/** The wall clock may be set, and what is looked at may change without a word. */
const LOOK_MS = 30_000;
/** The index says that a job is due, and gives none. */
const BACK_SOON_MS = 20;
const TROUBLE_MS = 5000;
const PATIENCE = 10;
/** While clients have much to ask for, so long passes between the beginnings of jobs: a tenth of the time is theirs then. */
const WAY_MS = 50;

/** Does the jobs of one peer, some beside each other: those that are due, while it works and the link is open. */
export class PeerWorkers implements AsyncDisposable {
  readonly #options: PeerWorkersOptions;
  readonly #conclusions: Conclusions;
  readonly #links: ReadonlyMap<string, Link>;
  readonly #alarm = new Alarm();
  readonly #attempts = new Map<number, Attempt>();
  readonly #working = new Set<Promise<void>>();
  #leasing: Promise<void> = Promise.resolve();
  #timers: NodeJS.Timeout[] = [];
  #isStopped = false;

  constructor(options: PeerWorkersOptions) {
    this.#options = options;
    this.#conclusions = new Conclusions(options);
    this.#links = new Map(options.links.map((link) => [link.rule.name, link]));
  }

  start(): void {
    this.#timers = [
      setInterval(() => void this.#renew(), LEASE_MS / 3).unref(),
      setInterval(() => this.#breakOffStalled(), this.#options.stallMs / 10).unref(),
    ];
    this.#leasing = this.#run();
  }

  /** Something may be due, or open, or closed, that was not. */
  wake(): void {
    this.#alarm.ring();
  }

  /** Bytes that the running job has sent; undefined if it does not run. */
  sentBytesOf(id: number): number | undefined {
    return this.#attempts.get(id)?.sentBytes;
  }

  /** What runs is broken off, and goes on after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#alarm.ring();
    for (const attempt of this.#attempts.values()) attempt.breakOff();
    await this.#leasing;
    await Promise.all(this.#working);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.#breakOffClosed(Date.now());
        // What ended a job was a turn's work already.
        await nextTurn();
        const waitMs = await this.#lease();
        if (!this.#isStopped) await this.#alarm.wait(waitMs);
      } catch (error) {
        const peer = this.#options.limits.name;
        this.#options.telemetry.log.error({ peer, ...describeError(error) }, 'jobs of replication cannot be read');
        await this.#alarm.wait(TROUBLE_MS);
      }
    }
  }

  #breakOffClosed(nowMs: number): void {
    for (const attempt of this.#attempts.values()) if (!attempt.link.isOpen(nowMs)) attempt.breakOff();
  }

  /** One that waits for what another one sends has more patience. */
  #breakOffStalled(): void {
    const { stallMs } = this.#options;
    const attempts = [...this.#attempts.values()];
    const limitMs = attempts.some(({ quietMs }) => quietMs < stallMs) ? stallMs * PATIENCE : stallMs;
    for (const attempt of attempts) {
      if (attempt.quietMs > limitMs) attempt.breakOff(new StalledError(attempt.quietMs));
    }
  }

  /** Begins what can be begun. @returns when to look again if nothing happens before */
  async #lease(): Promise<number> {
    const { index, limits, links, health } = this.#options;
    const nowMs = Date.now();
    const changes = links.map((link) => link.nextChange(nowMs) ?? Infinity);
    const lookMs = Math.min(LOOK_MS, ...changes.map((changeMs) => Math.max(changeMs - nowMs, BACK_SOON_MS)));
    const limit = health.allowance(limits.maxJobs) - this.#attempts.size;
    const closed = links.filter((link) => !link.isOpen(nowMs)).map(({ rule }) => rule.name);
    if (limit <= 0 || closed.length === links.length) return lookMs;
    // Some that it can never take would be tried again and again, and nothing else.
    const query = { peer: limits.name, except: closed, longestDueFirst: health.isOnTrial };
    const jobs = await index.leaseJobs({ ...query, nowMs, untilMs: nowMs + LEASE_MS, limit });
    for (const job of jobs) this.#begin(job);
    // When one of them ends it is looked again.
    if (jobs.length === limit) return lookMs;
    const dueMs = (await index.nextJobDue(limits.name, closed)) ?? Infinity;
    return Math.min(lookMs, Math.max(dueMs - Date.now(), BACK_SOON_MS));
  }

  #begin(job: ReplicationJob): void {
    const link = this.#links.get(job.rule);
    if (!link) return;
    const earlier = this.#attempts.get(job.id);
    if (earlier) {
      // The process stood still for longer than a lease. What was asked for since then the earlier lease does not serve.
      earlier.breakOff();
      return;
    }
    const { copy, index, telemetry } = this.#options;
    const attempt = new Attempt({
      job,
      link,
      copy,
      saveProgress: (progress) => index.saveJobProgress(job.id, progress),
      onSent: (bytes) => {
        link.tally.sent(bytes);
        telemetry.replication.sent({ ...link.name, bytes });
      },
    });
    this.#attempts.set(job.id, attempt);
    if (this.#isStopped) attempt.breakOff();
    const work = this.#work(attempt).finally(() => {
      this.#attempts.delete(job.id);
      this.#working.delete(work);
      this.#alarm.ring();
    });
    this.#working.add(work);
  }

  async #work(attempt: Attempt): Promise<void> {
    const { job, link } = attempt;
    try {
      await giveWay(WAY_MS);
      link.ended(await this.#try(attempt));
    } catch (error) {
      // It counts as running until its lease ends.
      const { id, rule, peer } = job;
      const line = { id, rule, peer, ...describeError(error) };
      this.#options.telemetry.log.error(line, 'the end of a job of replication could not be noted');
    }
  }

  async #try(attempt: Attempt): Promise<JobEnd> {
    const { job, link } = attempt;
    if (job.deleted !== undefined && !attempt.isBrokenOff) {
      const permission = await this.#options.guard.allows(job, link.rule);
      if (!permission.allowed) return this.#conclusions.hold(attempt, permission.reason);
    }
    const ending: Ending = await attempt.run();
    return this.#conclusions.conclude(attempt, ending);
  }

  async #renew(): Promise<void> {
    const { index, telemetry } = this.#options;
    for (const attempt of this.#attempts.values()) {
      try {
        if (!(await index.renewJob(attempt.job.id, Date.now() + LEASE_MS))) attempt.breakOff();
      } catch (error) {
        telemetry.log.error(describeError(error), 'a lease of a job of replication could not be renewed');
      }
    }
  }
}
