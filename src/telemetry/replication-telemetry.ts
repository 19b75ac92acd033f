import { describeError } from './describe-error.ts';
import type { Logger } from './logger.ts';
import type { ReplicationMetrics } from './replication-metrics.ts';

/** One try of a job. */
export interface JobEvent {
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  readonly reference: string;
  readonly seconds: number;
  readonly sentBytes: number;
}

type FailedJobEvent = JobEvent & {
  /** That failed in this way, this one included. */
  readonly tries: number;
  readonly error: unknown;
};

interface HeldDeletionEvent {
  readonly rule: string;
  readonly peer: string;
  readonly repository: string;
  readonly reference: string;
  readonly reason: string;
  /** Of the run. */
  readonly isFirst: boolean;
}

/** Business events of replication; see Telemetry. */
export class ReplicationTelemetry {
  readonly #log: Logger;
  readonly metrics: ReplicationMetrics;

  constructor(log: Logger, metrics: ReplicationMetrics) {
    this.#log = log;
    this.metrics = metrics;
  }

  /** Bytes went to a peer. */
  sent(event: { rule: string; peer: string; bytes: number }): void {
    this.metrics.sentBytes.inc({ rule: event.rule, peer: event.peer }, event.bytes);
  }

  /** A reference is the same at a peer as it is here. */
  jobDone(event: JobEvent & { outcome: string; digest: string | undefined }): void {
    const { rule, peer, outcome, seconds, ...rest } = event;
    this.metrics.jobs.inc({ rule, peer, outcome });
    this.metrics.jobSeconds.observe({ rule, peer }, seconds);
    const line = { rule, peer, outcome, ...rest, durationMs: Math.round(seconds * 1000) };
    if (outcome === 'copied' || outcome === 'deleted') this.#log.info(line, 'replicated');
    else this.#log.debug(line, 'nothing to replicate');
  }

  /** A try of a job failed: it comes again. */
  jobFailed({ isPeerDown, ...event }: FailedJobEvent & { retryMs: number; isPeerDown: boolean }): void {
    const line = this.#countFailure(event, 'failed');
    // There would be a line for each try of each job.
    if (event.tries === 1 && !isPeerDown) this.#log.warn(line, 'replication failed: it will be tried again');
    else this.#log.debug(line, 'replication failed: it will be tried again');
  }

  /** A part of what was to be sent is not here yet. */
  jobWaits(event: FailedJobEvent & { retryMs: number }): void {
    this.#log.debug(this.#countFailure(event, 'incomplete'), 'replication waits for content');
  }

  /** A peer refused something so often that an operator has to look at it. */
  jobParked(event: FailedJobEvent): void {
    this.#log.error(this.#countFailure(event, 'parked'), 'replication refused: it is not tried again unless told');
  }

  /** What is missing did not come: it is not waited for any longer. */
  jobGivenUp(event: FailedJobEvent): void {
    this.#log.warn(this.#countFailure(event, 'incomplete'), 'replication gave up: a part of it did not come');
  }

  /** A run of deletions is greater than the rule allows. */
  deletionHeld({ isFirst, ...event }: HeldDeletionEvent): void {
    if (isFirst) this.#log.warn(event, 'deletions are held until an operator approves them');
    else this.#log.debug(event, 'deletions are held until an operator approves them');
  }

  /** A peer cannot be used: nothing is sent to it until it answers again. */
  peerDown(event: { peer: string; error: unknown }): void {
    this.#log.warn({ peer: event.peer, ...describeError(event.error) }, 'peer is down: replication to it waits');
  }

  peerUp(event: { peer: string; downMs: number }): void {
    this.#log.info(event, 'peer works again');
  }

  /** All that a rule is about is looked at: its peer is new, or events were missed. */
  scanBegun(event: { rule: string; peer: string }): void {
    this.#log.info(event, 'replication looks through all that the rule is about');
  }

  scanDone(event: { rule: string; peer: string; references: number; deletions: number }): void {
    this.#log.info(event, 'replication has looked through all that the rule is about');
  }

  #countFailure(event: FailedJobEvent, outcome: string): object {
    const { rule, peer, seconds, error, ...rest } = event;
    this.metrics.jobs.inc({ rule, peer, outcome });
    return { rule, peer, ...rest, durationMs: Math.round(seconds * 1000), ...describeError(error) };
  }
}
