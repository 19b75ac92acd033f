import pLimit, { type LimitFunction } from 'p-limit';
import { parseManifest, type ManifestReference, type ParsedManifest } from '../../oci/manifest.ts';
import { isForeignLayerType } from '../../oci/media-types.ts';
import { isWantedPlatform, parsePlatform, type Platform } from '../../oci/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { Blobs } from '../blobs.ts';
import type { Manifests } from '../manifests.ts';
import { OperationError } from '../operations/operation-error.ts';
import type { WarmProgress, WarmReport, WarmRequest, WorkOptions } from '../operations/operations.ts';
import type { Upstreams } from '../upstreams.ts';
import { expandImages, imageText } from './expand-images.ts';

export interface WarmerOptions {
  readonly manifests: Manifests;
  readonly blobs: Blobs;
  readonly upstreams: Upstreams;
  readonly telemetry: Telemetry;
}

type Counters = { -readonly [Key in keyof WarmProgress]: WarmProgress[Key] };

/** One image on its way. */
interface Errand {
  readonly repository: Repository;
  readonly platforms: readonly Platform[];
  readonly limit: LimitFunction;
  readonly signal: AbortSignal;
  readonly onBlob: (sizeBytes: number) => void;
  readonly onBlobDone: (sizeBytes: number, fetchedBytes: number) => void;
}

const DEFAULT_CONCURRENCY = 3;
/** Images whose manifests are looked at beside each other. */
const IMAGES_AT_ONCE = 2;
/** Indexes of indexes are allowed, endless ones are not. */
const MAX_DEPTH = 4;

/** Fetches images before anyone asks for them. What is here already is not fetched again, so that it can be repeated. */
export class Warmer {
  readonly #options: WarmerOptions;

  constructor(options: WarmerOptions) {
    this.#options = options;
  }

  /** @throws OperationError INVALID for a name or a platform that is none; the signal's reason */
  async warm(request: WarmRequest, { signal, onProgress }: WorkOptions<WarmProgress>): Promise<WarmReport> {
    const platforms = request.platforms.map(platformNamed);
    const counters: Counters = { images: 0, imagesDone: 0, blobs: 0, blobsDone: 0, bytes: 0, bytesDone: 0 };
    const failures: { image: string; error: string }[] = [];
    let fetchedBytes = 0;
    const report = () => onProgress({ ...counters });
    const fail = (image: string, error: unknown) => {
      this.#options.telemetry.imageWarmed({ image, error });
      failures.push({ image, error: describeError(error).error });
    };
    const images = await expandImages(request.images, { upstreams: this.#options.upstreams, signal, onFailure: fail });
    counters.images = images.length + failures.length;
    counters.imagesDone = failures.length;
    report();
    const blobLimit = pLimit(request.concurrency ?? DEFAULT_CONCURRENCY);
    const imageLimit = pLimit(IMAGES_AT_ONCE);
    await Promise.all(
      images.map(({ repository, reference }) =>
        imageLimit(async () => {
          signal.throwIfAborted();
          const image = imageText(repository, reference);
          const errand: Errand = {
            repository,
            platforms,
            signal,
            limit: blobLimit,
            onBlob: (sizeBytes) => {
              counters.blobs += 1;
              counters.bytes += sizeBytes;
              report();
            },
            onBlobDone: (sizeBytes, fetched) => {
              counters.blobsDone += 1;
              counters.bytesDone += sizeBytes;
              fetchedBytes += fetched;
              report();
            },
          };
          const failure = await this.#warmImage(errand, reference);
          if (failure === undefined) this.#options.telemetry.imageWarmed({ image });
          else fail(image, failure);
          counters.imagesDone += 1;
          report();
        }),
      ),
    );
    signal.throwIfAborted();
    return { ...counters, fetchedBytes, failures };
  }

  /** @returns what went wrong, if something did */
  async #warmImage(errand: Errand, reference: Reference): Promise<unknown> {
    const { manifests, upstreams } = this.#options;
    try {
      upstreams.check(errand.repository);
      let wanted = reference;
      const { rules } = upstreams.get(errand.repository.registry);
      // An immutable tag that is here is never asked about.
      if (reference.kind === 'tag' && !rules.tags(errand.repository).isImmutable(reference.tag)) {
        const { now } = await manifests.refresh(errand.repository, reference.tag, 'warm');
        if (!now) return new Error('the upstream has no such tag');
        wanted = { kind: 'digest', digest: now };
      }
      await this.#warmManifest(errand, wanted, 0);
      return undefined;
    } catch (error) {
      errand.signal.throwIfAborted();
      return error;
    }
  }

  async #warmManifest(errand: Errand, reference: Reference, depth: number): Promise<void> {
    errand.signal.throwIfAborted();
    const { repository, platforms } = errand;
    const { bytes, mediaType, outcome } = await this.#options.manifests.get(repository, reference, 'whole', 'warm');
    if (!bytes) throw new Error('its manifest has no bytes');
    if (outcome === 'bypass') throw new Error('there is no room for it');
    const manifest = parseManifest(bytes, mediaType);
    if (!manifest.isIndex) return this.#warmBlobs(errand, manifest);
    if (depth >= MAX_DEPTH) throw new Error('its indexes are nested too deeply');
    // A cache of BuildKit's, perhaps.
    await this.#warmBlobs(errand, manifest);
    const all = manifest.references.filter(({ role }) => role === 'manifest');
    const children = all.filter(({ platform }) => isWantedPlatform(platform, platforms));
    if (children.length === 0 && all.length > 0) {
      throw new Error(`it has none of the platforms ${platforms.map(platformText).join(', ')}`);
    }
    for (const { digest } of children) await this.#warmManifest(errand, { kind: 'digest', digest }, depth + 1);
  }

  async #warmBlobs(errand: Errand, manifest: ParsedManifest): Promise<void> {
    const { blobs } = this.#options;
    const wanted = manifest.references.filter(isFetchable);
    for (const { sizeBytes } of wanted) errand.onBlob(sizeBytes);
    const outcomes = await Promise.allSettled(
      wanted.map(({ digest, sizeBytes }) =>
        errand.limit(async () => {
          errand.signal.throwIfAborted();
          errand.onBlobDone(sizeBytes, await blobs.fetch(errand.repository, digest, 'warm'));
        }),
      ),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function isFetchable({ role, mediaType }: ManifestReference): boolean {
  return (role === 'config' || role === 'layer') && !isForeignLayerType(mediaType);
}

function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined).join('/');
}

function platformNamed(text: string): Platform {
  const platform = parsePlatform(text);
  if (!platform) throw new OperationError('INVALID', `"${text}" is no platform; write for example linux/amd64`);
  return platform;
}
