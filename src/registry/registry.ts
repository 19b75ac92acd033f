import type { ContentStore } from '../content/content-store.ts';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { KeyedLock } from '../util/keyed-lock.ts';
import { BlockedAccounts } from './blocked-accounts.ts';
import { Blobs } from './blobs.ts';
import type { EventOutlet } from './events/event-outlet.ts';
import { Fills } from './fill/fills.ts';
import { HotManifests } from './hot-manifests.ts';
import { Listings } from './listings.ts';
import { LocalContent } from './local-content.ts';
import { ManifestShelf } from './manifest-shelf.ts';
import { Manifests } from './manifests.ts';
import type { Operations } from './operations/operations.ts';
import { pinPattern } from './operations/pin-pattern.ts';
import { Purging } from './operations/purging.ts';
import { Refreshing } from './operations/refreshing.ts';
import { RegistryOperations } from './operations/registry-operations.ts';
import { Status } from './operations/status.ts';
import { EarlyManifests } from './pushing/early-manifests.ts';
import { HostedRules, type HostedRuleOptions } from './pushing/hosted-rules.ts';
import { Pushes } from './pushing/pushes.ts';
import { RetentionSchedule } from './pushing/retention-schedule.ts';
import { Retention } from './pushing/retention.ts';
import { WantedBlobs } from './pushing/wanted-blobs.ts';
import { ReadAhead } from './read-ahead.ts';
import { SeenTags } from './seen-tags.ts';
import type { SpaceLimits } from './space/room.ts';
import { createSpace, type Space } from './space/space.ts';
import { StoredBlobs } from './stored-blobs.ts';
import { StoredContent } from './stored-content.ts';
import { StoredReferrers } from './stored-referrers.ts';
import { Garbage } from './upkeep/garbage.ts';
import { Healing } from './upkeep/healing.ts';
import { Housekeeping } from './upkeep/housekeeping.ts';
import { LostContent } from './upkeep/lost-content.ts';
import { Reconciliation } from './upkeep/reconciliation.ts';
import { Scrub } from './upkeep/scrub.ts';
import { Verification } from './upkeep/verification.ts';
import type { Upstreams } from './upstreams.ts';
import { type WarmPlan, WarmSchedule } from './warming/warm-schedule.ts';
import { Warmer } from './warming/warmer.ts';

export interface RegistryOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly telemetry: Telemetry;
  /** Who tells others what happens here. */
  readonly events: Pick<EventOutlet, 'status'>;
  readonly site: string;
  readonly version: string;
  /** What the store may take up. */
  readonly limits: SpaceLimits;
  /** Patterns of images that are never evicted. */
  readonly pins: readonly string[];
  /** Namespaces that nobody could give us again. */
  readonly hosted: readonly string[];
  /** The first that matches a hosted repository counts. */
  readonly hostedRules: readonly HostedRuleOptions[];
  /** When retention runs: a cron expression of five fields, in the host's time zone. */
  readonly retentionSchedule: string;
  readonly uploads: { readonly expireMs: number };
  /** The largest manifest that is taken from clients. */
  readonly manifestLimitBytes: number;
  readonly scrub: { readonly everyMs: number; readonly bytesPerSecond: number };
  readonly warm: readonly WarmPlan[];
  /** Fetch an image's layers as soon as its manifest is fetched. */
  readonly readAhead: boolean;
  readonly notFoundForMs: number;
  readonly hotManifestBytes: number;
  /** Requests at once for one large blob. */
  readonly fillConnections: number;
  /** Requests at once to one upstream, beyond which no blob gets more than one. */
  readonly maxExtraConnections: number;
}

/** The domain: what can be asked of this mirror, whatever the protocol. Disposing it ends what runs in the background. */
export class Registry implements AsyncDisposable {
  readonly upstreams: Upstreams;
  readonly manifests: Manifests;
  readonly blobs: Blobs;
  readonly listings: Listings;
  /** What is in the store, for who wants no more than that. */
  readonly stored: StoredContent;
  readonly pushes: Pushes;
  readonly operations: Operations;
  /** What is stored here, for those who pass it on. */
  readonly local: LocalContent;
  readonly #telemetry: Telemetry;
  readonly #warmPlans: readonly WarmPlan[];
  readonly #readAhead: ReadAhead;
  readonly #fills: Fills;
  readonly #space: Space;
  readonly #reconciliation: Reconciliation;
  readonly #scrub: Scrub;
  readonly #blocked: BlockedAccounts;
  readonly #housekeeping: Housekeeping;
  readonly #warmer: Warmer;
  readonly #status: Status;
  readonly #retention: Retention;
  readonly #retentionAt: string;
  #warmSchedule: WarmSchedule | undefined;
  #retentionSchedule: RetentionSchedule | undefined;

  constructor(options: RegistryOptions) {
    const { store, index, upstreams, telemetry, notFoundForMs, site, version } = options;
    const locks = new KeyedLock();
    this.upstreams = upstreams;
    this.#telemetry = telemetry;
    this.#warmPlans = options.warm;
    this.#retentionAt = options.retentionSchedule;
    this.#space = createSpace({
      ...options,
      locks,
      pins: options.pins.map((pattern) => pinPattern(pattern, upstreams)),
      downloads: () => this.#fills.all,
    });
    const { budget, removal, pins, eviction } = this.#space;
    const shared = { store, index, budget, locks, telemetry };
    const lost = new LostContent(shared);
    const rules = new HostedRules(options.hostedRules);
    const wanted = new WantedBlobs();
    const hot = new HotManifests(store, options.hotManifestBytes);
    this.#fills = new Fills({
      ...shared,
      lost,
      connections: options.fillConnections,
      maxExtraConnections: options.maxExtraConnections,
    });
    const fills = this.#fills;
    const storedBlobs = new StoredBlobs({ store, index, lost });
    const blobs = { ...shared, upstreams, rules, hot, wanted, lost, stored: storedBlobs, fills, notFoundForMs };
    this.blobs = new Blobs(blobs);
    this.#readAhead = new ReadAhead(this.blobs, upstreams, telemetry);
    const onFetched: ReadAhead['add'] = (repository, manifest) => {
      if (options.readAhead) this.#readAhead.add(repository, manifest);
    };
    const seen = new SeenTags();
    const shelf = new ManifestShelf({
      ...shared,
      upstreams,
      lost,
      seen,
      hot,
      onFetched,
    });
    const early = new EarlyManifests({
      index,
      upstreams,
      telemetry,
      put: (push) => this.pushes.manifests.put(push),
      onFetched,
    });
    this.manifests = new Manifests({ index, upstreams, telemetry, notFoundForMs, seen, shelf, early });
    this.local = new LocalContent({
      index,
      upstreams,
      rules,
      lost,
      shelf,
      manifests: this.manifests,
      blobs: this.blobs,
      stored: storedBlobs,
    });
    const referrers = new StoredReferrers({ index, hot });
    this.stored = new StoredContent({ index, shelf, blobs: storedBlobs, referrers });
    this.listings = new Listings({ index, upstreams, manifests: this.manifests, stored: referrers, telemetry });
    this.pushes = new Pushes({
      ...shared,
      upstreams,
      rules,
      lost,
      hot,
      seen,
      removal,
      fills: this.#fills,
      wanted,
      expireMs: options.uploads.expireMs,
      manifestLimitBytes: options.manifestLimitBytes,
    });
    this.#reconciliation = new Reconciliation({ ...shared, upstreams, removal, blobs: this.blobs });
    const healing = new Healing({ index, upstreams, telemetry, shelf, early, blobs: this.blobs });
    this.#scrub = new Scrub({ index, lost, healing, telemetry, ...options.scrub });
    const { uploads, deletion } = this.pushes;
    const garbage = new Garbage({ store, index, budget, removal, pins, uploads, wanted });
    this.#housekeeping = new Housekeeping({ budget, eviction, garbage, removal, uploads, telemetry });
    this.#blocked = new BlockedAccounts({ index, upstreams, telemetry });
    this.#retention = new Retention({ index, rules, deletion, hosted: options.hosted });
    this.#warmer = new Warmer({ upstreams, telemetry, manifests: this.manifests, blobs: this.blobs });
    this.#status = new Status({
      events: options.events,
      site,
      version,
      index,
      budget,
      eviction,
      upstreams,
      fills: this.#fills,
      scrub: this.#scrub,
      scrubEveryMs: options.scrub.everyMs,
      metrics: telemetry.metrics,
    });
    this.operations = new RegistryOperations({
      index,
      upstreams,
      pins,
      eviction,
      removal,
      garbage,
      retention: this.#retention,
      status: this.#status,
      purging: new Purging({ index, upstreams, removal, pins }),
      refreshing: new Refreshing(this.manifests, index, upstreams),
      warmer: this.#warmer,
      verification: new Verification(index, lost, healing),
      scrub: this.#scrub,
    });
  }

  /** Looks at what an earlier run left. To be called before anything is served. */
  async prepare(): Promise<void> {
    await this.#blocked.restore();
    await this.#space.pins.load();
    await this.pushes.uploads.prepare();
    await this.#reconciliation.prepare();
  }

  /** Starts what runs beside serving. */
  run(): void {
    this.#reconciliation.resume();
    this.#housekeeping.start();
    this.#blocked.start();
    this.#scrub.start();
    this.#warmSchedule = new WarmSchedule(this.#warmPlans, this.#warmer, this.#telemetry);
    this.#retentionSchedule = new RetentionSchedule(this.#retentionAt, this.#retention, this.#telemetry);
    const { metrics } = this.#telemetry;
    metrics.observeDisk(() => this.#status.figures());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#readAhead.stop();
    const inBackground = [
      this.#reconciliation,
      this.#warmSchedule,
      this.#retentionSchedule,
      this.#scrub,
      this.#housekeeping,
      this.#blocked,
      this.#space.eviction,
    ];
    const stopping = inBackground.map(async (part) => part?.[Symbol.asyncDispose]());
    await this.pushes[Symbol.asyncDispose]();
    // What waits for a download in the background ends with the downloads.
    await this.#fills[Symbol.asyncDispose]();
    // What waits for an upstream that does not answer ends with its connections.
    await this.upstreams[Symbol.asyncDispose]();
    await Promise.all(stopping);
  }
}
