import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800, 3600];
/** One look at /metrics reads several gauges, which come from one look at the jobs. */
const FIGURES_MS = 500;

/** How far one rule is at one of its peers. */
interface LinkFigures {
  readonly rule: string;
  readonly peer: string;
  readonly lagSeconds: number;
  readonly jobs: Readonly<Record<string, number>>;
  readonly pendingBytes: number;
  readonly lastDoneAtMs?: number;
}

export interface ReplicationFigures {
  readonly links: readonly LinkFigures[];
  readonly peers: readonly { readonly name: string; readonly isUp: boolean }[];
}

/** What replication counts, as /metrics shows it. */
export class ReplicationMetrics {
  readonly #registry: Registry;
  readonly jobs: Counter<'rule' | 'peer' | 'outcome'>;
  readonly sentBytes: Counter<'rule' | 'peer'>;
  readonly jobSeconds: Histogram<'rule' | 'peer'>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.jobs = new Counter({
      name: 'entrepot_replication_jobs_total',
      help: 'Tries of jobs that ended, by outcome (copied, present, kept, deleted, absent, vanished, incomplete, failed, parked)',
      labelNames: ['rule', 'peer', 'outcome'],
      registers: [registry],
    });
    this.sentBytes = new Counter({
      name: 'entrepot_replication_sent_bytes_total',
      help: 'Bytes of blobs and manifests sent to peers',
      labelNames: ['rule', 'peer'],
      registers: [registry],
    });
    this.jobSeconds = new Histogram({
      name: 'entrepot_replication_job_seconds',
      help: 'Duration of tries of jobs that did not fail',
      labelNames: ['rule', 'peer'],
      buckets: SECONDS,
      registers: [registry],
    });
  }

  /** Adds figures that are read when somebody looks. */
  observe(read: () => Promise<ReplicationFigures>): void {
    const figures = memo(read);
    const links = ['rule', 'peer'] as const;
    this.#gauge(
      'entrepot_replication_lag_seconds',
      'Age of the oldest event that is not at the peer yet, 0 if there is none',
      links,
      async (gauge) => {
        for (const { rule, peer, lagSeconds } of (await figures()).links) gauge.set({ rule, peer }, lagSeconds);
      },
    );
    const states = ['rule', 'peer', 'state'] as const;
    this.#gauge(
      'entrepot_replication_jobs',
      'Jobs by state (pending, running, waiting, parked, held)',
      states,
      async (gauge) => {
        for (const { rule, peer, jobs } of (await figures()).links) {
          for (const [state, count] of Object.entries(jobs)) gauge.set({ rule, peer, state }, count);
        }
      },
    );
    this.#gauge(
      'entrepot_replication_pending_bytes',
      'Size of what is not at the peer yet, at most',
      links,
      async (gauge) => {
        for (const { rule, peer, pendingBytes } of (await figures()).links) gauge.set({ rule, peer }, pendingBytes);
      },
    );
    this.#gauge(
      'entrepot_replication_last_done_timestamp_seconds',
      'When a job was last done',
      links,
      async (gauge) => {
        for (const { rule, peer, lastDoneAtMs } of (await figures()).links) {
          if (lastDoneAtMs !== undefined) gauge.set({ rule, peer }, lastDoneAtMs / 1000);
        }
      },
    );
    this.#gauge(
      'entrepot_replication_peer_up',
      '1 while the peer works, 0 while it is left alone after failures',
      ['peer'],
      async (gauge) => {
        for (const { name, isUp } of (await figures()).peers) gauge.set({ peer: name }, isUp ? 1 : 0);
      },
    );
  }

  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    fill: (gauge: Gauge<Label>) => Promise<void>,
  ): void {
    const gauge: Gauge<Label> = new Gauge<Label>({
      name,
      help,
      labelNames,
      registers: [],
      collect: () => fill(gauge),
    });
    this.#registry.registerMetric(gauge);
  }
}

/** What was read a moment ago is good enough. */
function memo<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let last: { readonly atMs: number; readonly value: Promise<Value> } | undefined;
  return () => {
    const nowMs = performance.now();
    if (!last || nowMs - last.atMs > FIGURES_MS) last = { atMs: nowMs, value: read() };
    return last.value;
  };
}
