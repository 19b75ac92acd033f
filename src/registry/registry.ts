import type { ContentStore } from '../content/content-store.ts';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { Blobs } from './blobs.ts';
import { Fills } from './fill/fills.ts';
import { HotManifests } from './hot-manifests.ts';
import { Listings } from './listings.ts';
import { ManifestShelf } from './manifest-shelf.ts';
import { Manifests } from './manifests.ts';
import { ReadAhead } from './read-ahead.ts';
import { Reconciliation } from './reconciliation.ts';
import { SeenTags } from './seen-tags.ts';
import type { Upstreams } from './upstreams.ts';

export interface RegistryOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly telemetry: Telemetry;
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
  readonly reconciliation: Reconciliation;
  readonly #readAhead: ReadAhead;
  readonly #fills: Fills;

  constructor(options: RegistryOptions) {
    const { store, index, upstreams, telemetry, notFoundForMs } = options;
    this.upstreams = upstreams;
    this.#fills = new Fills({
      store,
      index,
      telemetry,
      connections: options.fillConnections,
      maxExtraConnections: options.maxExtraConnections,
    });
    this.blobs = new Blobs({ store, index, upstreams, fills: this.#fills, telemetry, notFoundForMs });
    this.#readAhead = new ReadAhead(this.blobs, telemetry);
    const seen = new SeenTags();
    const shelf = new ManifestShelf({
      store,
      index,
      upstreams,
      telemetry,
      seen,
      hot: new HotManifests(store, options.hotManifestBytes),
      onFetched: (repository, manifest) => {
        if (options.readAhead) this.#readAhead.add(repository, manifest);
      },
    });
    this.manifests = new Manifests({ index, upstreams, telemetry, notFoundForMs, seen, shelf });
    this.listings = new Listings({ index, upstreams, manifests: this.manifests, telemetry });
    this.reconciliation = new Reconciliation({ store, index, upstreams, blobs: this.blobs, telemetry });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#readAhead.stop();
    this.reconciliation.stop();
    await this.#fills[Symbol.asyncDispose]();
  }
}
