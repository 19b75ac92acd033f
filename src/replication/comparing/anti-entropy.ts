import { Cron } from 'croner';
import { CheckTelemetry } from '../../telemetry/check-telemetry.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { sleep } from '../../util/sleep.ts';
import { check } from './check.ts';
import type { Here } from './here.ts';
import type { Link } from './link.ts';

export interface CheckScheduleOptions {
  readonly here: Here;
  /** Those whose rule has no {@link Link.rule}.check are never checked. */
  readonly links: readonly Link[];
  readonly telemetry: Telemetry;
  /** Is the link at work now? Otherwise its check waits until it is. Absent: always. */
  readonly mayCheck?: (link: Link) => boolean;
  /** So often it is looked whether it is. */
  readonly lookMs?: number;
  /** There may be jobs for the peer that were not there before. */
  readonly onJobs?: (link: Link) => void;
}

const LOOK_MS = 30_000;

/**
 * Compares both sides of each link when its rule says so, and repairs what differs. A check that takes longer than to
 * the next one is not begun twice; one that fails comes again at its next time.
 */
export class CheckSchedule implements AsyncDisposable {
  readonly #options: CheckScheduleOptions;
  readonly #telemetry: CheckTelemetry;
  readonly #crons: readonly Cron[];
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: CheckScheduleOptions) {
    this.#options = options;
    this.#telemetry = new CheckTelemetry(options.telemetry);
    this.#crons = options.links.flatMap((link) => {
      const { check: schedule } = link.rule;
      if (schedule === undefined) return [];
      return [new Cron(schedule, { protect: true, unref: true }, () => this.#start(link))];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cron of this.#crons) cron.stop();
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #start(link: Link): Promise<void> {
    const run = this.#run(link);
    this.#running.add(run);
    await run;
    this.#running.delete(run);
  }

  async #run(link: Link): Promise<void> {
    if (!(await this.#untilOpen(link))) return;
    const about = { rule: link.rule.name, peer: link.peer.name };
    const startedAtMs = Date.now();
    try {
      const report = await check(this.#options.here, link, this.#stop.signal);
      this.#telemetry.checked({ ...about, ...report, durationMs: Date.now() - startedAtMs });
      if (report.differences + report.retried > 0) this.#options.onJobs?.(link);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#telemetry.checkFailed({ ...about, error });
    }
  }

  /** Time windows and schedules may never agree. @returns false: it was stopped before */
  async #untilOpen(link: Link): Promise<boolean> {
    const { mayCheck = () => true, lookMs = LOOK_MS } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted && !mayCheck(link)) await sleep(lookMs, signal);
    return !signal.aborted;
  }
}
