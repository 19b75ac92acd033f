import { Cron } from 'croner';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { Warmer } from './warmer.ts';

/** Images that are fetched at fixed times. */
export interface WarmPlan {
  readonly images: readonly string[];
  readonly platforms: readonly string[];
  /** A cron expression of five fields, in the host's time zone. */
  readonly schedule: string;
}

/** Runs the configured warming when it is due. A run that takes longer than to the next one is not begun twice. */
export class WarmSchedule implements AsyncDisposable {
  readonly #warmer: Warmer;
  readonly #telemetry: Telemetry;
  readonly #jobs: Cron[];
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(plans: readonly WarmPlan[], warmer: Warmer, telemetry: Telemetry) {
    this.#warmer = warmer;
    this.#telemetry = telemetry;
    this.#jobs = plans.map((plan) => new Cron(plan.schedule, { protect: true, unref: true }, () => this.#start(plan)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const job of this.#jobs) job.stop();
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #start(plan: WarmPlan): Promise<void> {
    const run = this.#run(plan);
    this.#running.add(run);
    await run;
    this.#running.delete(run);
  }

  async #run({ images, platforms, schedule }: WarmPlan): Promise<void> {
    const { log } = this.#telemetry;
    try {
      const options = { signal: this.#stop.signal, onProgress: () => undefined };
      const { failures, ...done } = await this.#warmer.warm({ images, platforms }, options);
      log.info({ schedule, ...done, failures: failures.length }, 'scheduled warming ended');
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error({ schedule, ...describeError(error) }, 'scheduled warming failed');
    }
  }
}
