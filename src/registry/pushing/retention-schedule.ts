import { Cron } from 'croner';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { Retention } from './retention.ts';

/** Runs retention when it is due. A run that takes longer than to the next one is not begun twice. */
export class RetentionSchedule implements AsyncDisposable {
  readonly #retention: Retention;
  readonly #telemetry: Telemetry;
  readonly #job: Cron;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  /** @param schedule a cron expression of five fields, in the host's time zone */
  constructor(schedule: string, retention: Retention, telemetry: Telemetry) {
    this.#retention = retention;
    this.#telemetry = telemetry;
    this.#job = new Cron(schedule, { protect: true, unref: true }, async () => {
      this.#running = this.#run();
      await this.#running;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#job.stop();
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log } = this.#telemetry;
    try {
      const { removed: _, ...report } = await this.#retention.run({ dryRun: false, signal: this.#stop.signal });
      log.info(report, 'retention ended');
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error(describeError(error), 'retention failed');
    }
  }
}
