import { Counter, type Registry } from 'prom-client';
import type { Logger } from './logger.ts';

/** A tag that was changed at two sites at once. */
interface ConflictEvent {
  readonly repository: string;
  readonly tag: string;
  /** What the tag points at. */
  readonly kept: { readonly digest: string; readonly site: string };
  /** What it would have pointed at; it is kept by digest. */
  readonly lost: { readonly digest: string; readonly site: string };
  /** Which of the two was a deletion. */
  readonly deletion?: 'kept' | 'lost' | undefined;
}

/** What happens when other sites send something: one method each. */
export class IntakeTelemetry {
  readonly #log: Logger;
  readonly #conflicts: Counter;

  constructor(log: Logger, registry: Registry) {
    this.#log = log;
    this.#conflicts = new Counter({
      name: 'entrepot_replication_conflicts_total',
      help: 'Tags found to have been changed at two sites at once; the later change counts, the other is kept by digest',
      registers: [registry],
    });
  }

  conflictFound(event: ConflictEvent): void {
    this.#conflicts.inc();
    this.#log.warn(event, 'a tag was changed at two sites at once: the later change counts');
  }
}
