import pLimit from 'p-limit';
import type { ParsedManifest } from '../oci/manifest.ts';
import { isForeignLayerType } from '../oci/media-types.ts';
import type { Repository } from '../oci/repository.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { describeError } from '../telemetry/telemetry.ts';
import type { Blobs } from './blobs.ts';
import type { Upstreams } from './upstreams.ts';

/** Docker and containerd fetch three layers at once; staying with that keeps the order in which they are wanted. */
const CONCURRENCY = 3;
/** Beyond this many waiting blobs, more are not worth remembering: clients will ask for what they want. */
const MAX_WAITING = 1_000;

/** Fetches an image's blobs as soon as its manifest came: the client is about to ask for them. */
export class ReadAhead {
  readonly #blobs: Blobs;
  readonly #upstreams: Upstreams;
  readonly #telemetry: Telemetry;
  readonly #limit = pLimit(CONCURRENCY);

  constructor(blobs: Blobs, upstreams: Upstreams, telemetry: Telemetry) {
    this.#blobs = blobs;
    this.#upstreams = upstreams;
    this.#telemetry = telemetry;
  }

  /** An index brings nothing: which of its platforms is wanted shows when the client asks for that manifest. */
  add(repository: Repository, manifest: ParsedManifest): void {
    if (manifest.isIndex) return;
    for (const { role, digest, mediaType } of manifest.references) {
      if (role !== 'config' && role !== 'layer') continue;
      if (isForeignLayerType(mediaType) || this.#limit.pendingCount >= MAX_WAITING) continue;
      void this.#limit(async () => {
        try {
          // A download that a client may join must not begin only to be refused.
          if (!this.#upstreams.sourceOf(repository)?.mayAsk('readAhead')) return;
          await this.#blobs.fetch(repository, digest, 'readAhead');
        } catch (error) {
          // The client that wants it will ask for it, and be told what is wrong.
          this.#telemetry.log.debug(
            { repository: repository.name, digest, ...describeError(error) },
            'read-ahead failed',
          );
        }
      });
    }
  }

  /** Forgets what has not begun. */
  stop(): void {
    this.#limit.clearQueue();
  }
}
