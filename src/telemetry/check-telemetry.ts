import { Gauge } from 'prom-client';
import { describeError, type Telemetry } from './telemetry.ts';

/** A rule and a peer whose sides were compared, or were to be. */
interface Checked {
  readonly rule: string;
  readonly peer: string;
}

/** What comes of comparing sites: one method for each event, as {@link Telemetry} has them. */
export class CheckTelemetry {
  readonly #telemetry: Telemetry;
  readonly #differences;
  readonly #at;

  /** To be made once for each telemetry: it adds metrics to it. */
  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
    const registers = [telemetry.metrics.registry];
    const labelNames = ['rule', 'peer'] as const;
    this.#differences = new Gauge({
      name: 'entrepot_replication_check_differences',
      help: 'What was missing, different or not deleted at a peer when both sides were compared last',
      labelNames,
      registers,
    });
    this.#at = new Gauge({
      name: 'entrepot_replication_check_timestamp_seconds',
      help: 'When both sides were compared last, in seconds since the epoch',
      labelNames,
      registers,
    });
  }

  /** Both sides were compared; there are jobs for what differed. */
  checked(event: Checked & { compared: number; differences: number; retried: number; durationMs: number }): void {
    const { rule, peer, differences } = event;
    this.#differences.set({ rule, peer }, differences);
    this.#at.set({ rule, peer }, Date.now() / 1000);
    if (differences === 0) this.#telemetry.log.info(event, 'peer compared: nothing differs');
    else this.#telemetry.log.warn(event, 'peer compared: what differs is sent');
  }

  /** A comparison was broken off. */
  checkFailed(event: Checked & { error: unknown }): void {
    const { error, ...rest } = event;
    this.#telemetry.log.error({ ...rest, ...describeError(error) }, 'peer could not be compared');
  }
}
