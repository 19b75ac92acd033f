import type { JobControlIndex, JobIndex } from '../metadata/replication-index.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Pace, Peer } from '../upstream/peer.ts';
import type { DeletionGuard } from './comparing/deletion-guard.ts';
import type { Copy } from './copying/copy.ts';
import type { Link } from './link.ts';
import { type HealthTimes, PeerHealth } from './peer-health.ts';
import { PeerWorkers } from './peer-workers.ts';
import type { PeerLimits } from './rule.ts';

export interface PeerSiteOptions {
  readonly index: JobIndex & Pick<JobControlIndex, 'nextJobDue'>;
  readonly limits: PeerLimits;
  /** Our own name. */
  readonly site: string | undefined;
  /** Disposed of by who made it, after this. */
  readonly client: Peer;
  /** For all that is sent to it, by whichever rule. */
  readonly pace: Pace;
  /** Of all rules that send to it. */
  readonly links: readonly Link[];
  readonly copy: Copy;
  readonly guard: Pick<DeletionGuard, 'allows'>;
  readonly telemetry: Telemetry;
  readonly healthTimes: HealthTimes;
  readonly stallMs: number;
}

/** One peer: how it is, and those who work for it. */
export class PeerSite implements AsyncDisposable {
  readonly limits: PeerLimits;
  readonly pace: Pace;
  readonly health: PeerHealth;
  readonly workers: PeerWorkers;

  constructor(options: PeerSiteOptions) {
    const { client, limits, telemetry, healthTimes, site } = options;
    // Who says that the peer is called so knows what that means.
    const ownSite = site === limits.site ? undefined : site;
    this.limits = limits;
    this.pace = options.pace;
    this.health = new PeerHealth({
      client,
      ownSite,
      telemetry,
      times: healthTimes,
      onUp: () => this.workers.wake(),
    });
    this.workers = new PeerWorkers({ ...options, health: this.health });
  }

  /** The names of the site, as the configuration has it and as it calls itself. */
  get names(): ReadonlySet<string> {
    const { site } = this.health;
    return new Set(site === undefined ? [this.limits.site] : [this.limits.site, site]);
  }

  start(): void {
    this.health.start();
    this.workers.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers[Symbol.asyncDispose]();
    await this.health[Symbol.asyncDispose]();
  }
}
