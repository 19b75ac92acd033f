import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { Uploads } from '../pushing/uploads.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { Eviction } from '../space/eviction.ts';
import type { Removal } from '../space/removal.ts';
import type { Garbage } from './garbage.ts';

export interface HousekeepingOptions {
  readonly budget: DiskBudget;
  readonly eviction: Eviction;
  readonly garbage: Garbage;
  readonly removal: Removal;
  readonly uploads: Pick<Uploads, 'expire'>;
  readonly telemetry: Telemetry;
}

/** Other programs may fill the disk, and the quota may be smaller than it was. */
const LIMITS_MS = 10_000;
const UPLOADS_MS = 10 * 60_000;
const GARBAGE_MS = 6 * 3_600_000;
/** What nobody needs for a day is garbage. */
const GARBAGE_GRACE_MS = 24 * 3_600_000;
/** Content whose repository is not known, as after a lost index, may be asked for by name for a month. */
const NAMELESS_GRACE_MS = 30 * 24 * 3_600_000;

/** What has to be looked at from time to time. */
export class Housekeeping implements AsyncDisposable {
  readonly #options: HousekeepingOptions;
  #timers: NodeJS.Timeout[] = [];
  readonly #running = new Map<string, Promise<void>>();
  #isStopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#every(LIMITS_MS, 'keeping the limits', () => this.#keepLimits());
    this.#every(GARBAGE_MS, 'garbage collection', () => this.#collectGarbage());
    this.#every(UPLOADS_MS, 'expiry of uploads', () => this.#expireUploads());
    this.#begin('keeping the limits', () => this.#keepLimits());
    this.#begin('expiry of uploads', () => this.#expireUploads());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running.values());
  }

  #every(ms: number, what: string, work: () => Promise<void>): void {
    this.#timers.push(setInterval(() => this.#begin(what, work), ms).unref());
  }

  /** What is still running from the last time is not begun again. */
  #begin(what: string, work: () => Promise<void>): void {
    if (this.#isStopped || this.#running.has(what)) return;
    const { log } = this.#options.telemetry;
    const running = work()
      .catch((error: unknown) => {
        if (!this.#isStopped) log.error({ what, ...describeError(error) }, 'housekeeping failed');
      })
      .finally(() => this.#running.delete(what));
    this.#running.set(what, running);
  }

  async #keepLimits(): Promise<void> {
    const { budget, eviction } = this.#options;
    for (const registry of [undefined, ...budget.limits.registryQuotas.keys()]) {
      if ((await budget.deficit(registry)) > 0) await eviction.relieve(() => budget.deficit(registry), registry);
    }
  }

  async #expireUploads(): Promise<void> {
    await this.#options.uploads.expire();
  }

  async #collectGarbage(): Promise<void> {
    const { garbage, removal, telemetry } = this.#options;
    await removal.settleAll();
    const report = await garbage.collect({
      isDryRun: false,
      graceMs: GARBAGE_GRACE_MS,
      namelessGraceMs: NAMELESS_GRACE_MS,
    });
    telemetry.log.info(report, 'garbage collected');
  }
}
