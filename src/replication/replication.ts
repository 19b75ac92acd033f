import type { RegistryEvent } from '../metadata/event-index.ts';
import type { JobState } from '../metadata/replication-index.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Pace, Peer } from '../upstream/peer.ts';
import { CheckSchedule } from './comparing/anti-entropy.ts';
import { DeletionGuard } from './comparing/deletion-guard.ts';
import type { Here } from './comparing/here.ts';
import { createScan } from './comparing/scan.ts';
import type { Copy } from './copying/copy.ts';
import { FullScan } from './full-scan.ts';
import { KnownLinks } from './known-links.ts';
import type { LinkPart } from './link-part.ts';
import { LinkReader } from './link-reader.ts';
import { Link } from './link.ts';
import { both, paceOf } from './paces.ts';
import type { LinkName } from './pauses.ts';
import { Pausing } from './pausing.ts';
import { HEALTH_TIMES, type HealthTimes } from './peer-health.ts';
import { PeerSite } from './peer-site.ts';
import type { ReplicationOperations, ReplicationStatus } from './replication-operations.ts';
import { reportStatus } from './report-status.ts';
import type { PeerLimits, ReplicationRule } from './rule.ts';
import { RunningOperations } from './running-operations.ts';
import { ScanSchedule } from './scan-schedule.ts';

/** A peer with its client, which is disposed of by who made it, after the replication. */
export type ReplicationPeer = PeerLimits & {
  readonly client: Peer;
  /** Where it is: what another address has is not known. */
  readonly url?: URL;
};

export interface ReplicationOptions {
  readonly here: Here;
  /** Our own name: a peer that has it too is not sent to, unless it is configured to be called so. Absent: any name is right. */
  readonly site?: string;
  readonly rules: readonly ReplicationRule[];
  readonly peers: readonly ReplicationPeer[];
  readonly copy: Copy;
  readonly telemetry: Telemetry;
  /** How peers are left alone and tried again. */
  readonly healthTimes?: HealthTimes;
  /** A job that does nothing for so long is broken off, and tried again. */
  readonly stallMs?: number;
  /** Operators who wait for jobs wait so long for a peer that is down. */
  readonly patienceMs?: number;
}

/** The client of a peer gives up sooner. */
const STALL_MS = 10 * 60_000;
const PATIENCE_MS = 60_000;
/** Among so many tries there is one that was not in vain, mostly. */
const RECENT_TRIES = 100;
const IN_VAIN = new Set(['failed', 'parked', 'incomplete']);

/** Sends what the rules select to their peers. It takes up what an earlier run left, and leaves what it has not done. */
export class Replication implements AsyncDisposable {
  readonly operations: ReplicationOperations;
  readonly #options: ReplicationOptions;
  readonly #pausing: Pausing;
  readonly #known: KnownLinks;
  readonly #sites: readonly PeerSite[];
  readonly #links: readonly LinkPart[];
  readonly #running = new AsyncDisposableStack();

  constructor(options: ReplicationOptions) {
    const { here, rules, peers, patienceMs = PATIENCE_MS } = options;
    this.#options = options;
    this.#pausing = new Pausing(here.index);
    this.#known = new KnownLinks(here.index);
    const guard = new DeletionGuard(here);
    const paces = new Map(rules.map((rule) => [rule.name, paceOf(rule.bandwidthBytesPerSecond)]));
    const parts = peers.map((peer) => {
      const pace = paceOf(peer.bandwidthBytesPerSecond);
      const links = rules
        .filter(({ to }) => to.includes(peer.name))
        .map((rule) => {
          const paceOfBoth = both(paces.get(rule.name) ?? pace, pace);
          return new Link({ rule, limits: peer, client: peer.client, pace: paceOfBoth, pausing: this.#pausing });
        });
      const site = this.#createSite(peer, { links, pace, guard });
      return { site, links: links.map((link) => this.#createPart(link, site)) };
    });
    // Nothing is asked of peers that nothing is sent to.
    this.#sites = parts.filter(({ links }) => links.length > 0).map(({ site }) => site);
    this.#links = parts.flatMap(({ links }) => links);
    this.operations = new RunningOperations({
      here,
      guard,
      patienceMs,
      rules,
      links: this.#links,
      sites: this.#sites,
      pausing: this.#pausing,
      status: () => this.status(),
    });
  }

  /** Takes up what an earlier run left. To be called before anything is served. @throws MetadataError */
  async prepare(): Promise<void> {
    const { index } = this.#options.here;
    await this.#pausing.load();
    await this.#known.load();
    await index.pruneJobs(this.#links.map(({ link }) => link.name));
    // To look through all jobs takes long where there are many.
    const counts = await index.countJobs();
    const has = (state: JobState, { rule, peer }: LinkName) =>
      counts.some((count) => count.state === state && count.rule === rule && count.peer === peer);
    const following = [];
    for (const { link, fullScan, reader } of this.#links) {
      await fullScan.load();
      const tries = await index.listJobRecords({ ...link.name, limit: RECENT_TRIES });
      const done = tries.find(({ outcome }) => !IN_VAIN.has(outcome));
      link.tally.restore(done && done.startedAtMs + done.durationMs);
      // What was held or refused was judged by the rule of then: the rule of now may allow it, or not be about it at all.
      if (has('held', link.name)) await index.retryJobs({ ...link.name, states: ['held'] });
      if (!reader) continue;
      const address = this.#addressOf(link);
      const isNew = !this.#known.has(link, address);
      if (isNew && has('parked', link.name)) await index.retryJobs({ ...link.name, states: ['parked'] });
      await reader.prepare({ isNew });
      following.push({ link, address });
    }
    await this.#known.save(following);
  }

  /** Starts what runs beside serving. */
  run(): void {
    const { here, telemetry } = this.#options;
    // Disposed of in the opposite order: those who make jobs first, then those who do them.
    for (const site of this.#sites) {
      this.#running.use(site);
      site.start();
    }
    for (const { fullScan, reader } of this.#links) {
      this.#running.use(fullScan);
      fullScan.start();
      if (reader) this.#running.use(reader).start();
    }
    this.#running.use(new ScanSchedule(this.#links, telemetry));
    this.#running.use(
      new CheckSchedule({
        here,
        telemetry,
        links: this.#links.map(({ link }) => link),
        mayCheck: (link) => link instanceof Link && link.isOpen(Date.now()),
        onJobs: ({ peer }) => this.#sites.find(({ limits }) => limits.name === peer.name)?.workers.wake(),
      }),
    );
    if (this.#links.length > 0) telemetry.metrics.replication.observe(() => this.status());
  }

  /** @throws MetadataError */
  status(): Promise<ReplicationStatus> {
    return reportStatus(this.#options.here.index, { links: this.#links, sites: this.#sites });
  }

  /** These go from the log, read or not. */
  abandon(events: readonly RegistryEvent[]): void {
    for (const { reader } of this.#links) reader?.abandon(events);
  }

  /** Ends at once. What is not done goes on after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }

  #createSite(
    peer: ReplicationPeer,
    parts: { readonly links: readonly Link[]; readonly pace: Pace; readonly guard: DeletionGuard },
  ): PeerSite {
    const { here, site, copy, telemetry, healthTimes = HEALTH_TIMES, stallMs = STALL_MS } = this.#options;
    const { client } = peer;
    const surroundings = { index: here.index, site, copy, telemetry, healthTimes, stallMs };
    return new PeerSite({ ...parts, ...surroundings, limits: peer, client });
  }

  #createPart(link: Link, site: PeerSite): LinkPart {
    const { here, telemetry } = this.#options;
    const onJobs = () => site.workers.wake();
    const shared = { index: here.index, link, telemetry, onJobs };
    const fullScan = new FullScan({ ...shared, scan: createScan(here) });
    const isFollowing = link.rule.trigger.type === 'event';
    const reader = isFollowing ? new LinkReader({ ...shared, fullScan, sites: () => site.names }) : undefined;
    return { link, site, fullScan, reader };
  }

  #addressOf(link: Link): string | undefined {
    return this.#options.peers.find(({ name }) => name === link.name.peer)?.url?.href;
  }
}
