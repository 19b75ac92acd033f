import type { ContentStore } from '../content/content-store.ts';
import type { ManifestRow, MetadataIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type ParsedManifest } from '../oci/manifest.ts';
import { referenceText, type Reference } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { FetchedManifest, Purpose } from '../upstream/upstream.ts';
import type { KeyedLock } from '../util/keyed-lock.ts';
import { SingleFlight } from '../util/single-flight.ts';
import type { HotManifests } from './hot-manifests.ts';
import type { ManifestAnswer, ManifestDepth } from './manifest-answer.ts';
import type { Outcome } from './outcome.ts';
import type { SeenTags } from './seen-tags.ts';
import type { DiskBudget } from './space/disk-budget.ts';
import { inTime } from './space/in-time.ts';
import { Reservation } from './space/reservation.ts';
import type { LostContent } from './upkeep/lost-content.ts';
import type { Upstreams } from './upstreams.ts';

export interface ManifestShelfOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly hot: HotManifests;
  readonly budget: DiskBudget;
  readonly lost: LostContent;
  /** One at a time for each digest: storing it, and removing it. */
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
  readonly seen: SeenTags;
  /** A manifest that was not here before came for a client. */
  readonly onFetched: (repository: Repository, manifest: ParsedManifest) => void;
}

/** What is larger than any manifest is a layer, whatever the upstream says. */
const MAX_ADOPTED_BYTES = 32 * 1024 * 1024;

/** Manifests in the store: giving them out, and getting them in from upstreams. */
export class ManifestShelf {
  readonly #options: ManifestShelfOptions;
  readonly #fetches = new SingleFlight<ManifestAnswer>();

  constructor(options: ManifestShelfOptions) {
    this.#options = options;
  }

  /** What the repository has in the store under that name, its bytes looked at. */
  async find({ name }: Repository, reference: Reference): Promise<ManifestAnswer | undefined> {
    const { index } = this.#options;
    if (reference.kind === 'digest') {
      const row = await index.findManifest(name, reference.digest);
      return row && this.answer(row, 'hit', row.storedAtMs, 'whole');
    }
    const row = await index.findTag(name, reference.tag);
    return row && this.answer(row, 'hit', row.validatedAtMs, 'whole');
  }

  /** An answer from the store; undefined when its bytes are not what they should be, which the index then learns. */
  async answer(
    row: ManifestRow,
    outcome: Outcome,
    sinceMs: number,
    depth: ManifestDepth,
  ): Promise<ManifestAnswer | undefined> {
    const { hot, lost } = this.#options;
    const { digest, mediaType, sizeBytes } = row;
    let bytes: Uint8Array | undefined;
    try {
      bytes = depth === 'head' ? hot.peek(digest) : await hot.get(digest, sizeBytes);
    } catch (error) {
      // A disk that refuses for another reason than the file is no reason to ask for the file again.
      if ((await lost.examine(digest, 'serving')) === 'intact') throw error;
      return undefined;
    }
    if (!bytes && depth === 'whole') {
      await lost.examine(digest, 'serving');
      return undefined;
    }
    return { digest, mediaType, sizeBytes, outcome, ageMs: Math.max(0, Date.now() - sinceMs), bytes };
  }

  /**
   * Fetches a manifest and keeps it, once for all who ask meanwhile.
   * @param validatedAtMs of a tag: when the upstream last said here where it points; what it told another site before that
   * is no answer
   * @throws UpstreamError
   */
  fetch(
    repository: Repository,
    reference: Reference,
    purpose: Purpose = 'miss',
    validatedAtMs?: number,
  ): Promise<ManifestAnswer> {
    // What clients wait for may be sent where the same for another purpose is held back.
    const kind = purpose === 'miss' ? 'miss' : 'other';
    return this.#fetches.run(`${repository.name}@${referenceText(reference)} ${kind}`, async () => {
      const { upstream } = this.#options.upstreams.get(repository.registry);
      const options = { purpose, ...(validatedAtMs !== undefined && { validatedAtMs }) };
      const fetched = await upstream.getManifest(repository.path, reference, options);
      const isStored = await this.#keep(repository, reference, fetched, purpose);
      return {
        digest: fetched.digest,
        mediaType: fetched.mediaType,
        sizeBytes: fetched.bytes.length,
        outcome: isStored ? 'miss' : 'bypass',
        ageMs: ageOf(reference, fetched),
        bytes: fetched.bytes,
      };
    });
  }

  /**
   * Makes a manifest whose bytes came from another repository part of this one too: that the upstream has it here is
   * all there is to ask. @throws UpstreamError
   */
  adopt(repository: Repository, digest: Digest): Promise<ManifestAnswer> {
    return this.#fetches.run(`${repository.name}@${digest} adopted`, async () => {
      const reference = { kind: 'digest', digest } as const;
      const { upstream } = this.#options.upstreams.get(repository.registry);
      const { mediaType } = await upstream.headManifest(repository.path, reference);
      const { sizeBytes = Infinity } = await this.#options.index.findBlob(repository.name, digest);
      const bytes = sizeBytes > MAX_ADOPTED_BYTES ? undefined : await this.#options.hot.get(digest, sizeBytes);
      if (!bytes || mediaType === undefined) return this.fetch(repository, reference);
      await this.#keep(repository, reference, { digest, mediaType, bytes }, 'miss');
      return { digest, mediaType, sizeBytes: bytes.length, outcome: 'revalidated', ageMs: 0, bytes };
    });
  }

  /** A disk that refuses, or has no room, costs the copy, not the client its answer. */
  async #keep(
    repository: Repository,
    reference: Reference,
    fetched: FetchedManifest,
    purpose: Purpose,
  ): Promise<boolean> {
    const { budget, telemetry, seen } = this.#options;
    const { digest, mediaType, bytes } = fetched;
    const manifest = parseManifest(bytes, mediaType);
    if (reference.kind === 'tag') {
      seen.add(repository.name, reference.tag, digest, Date.now() - ageOf(reference, fetched));
    }
    let isStored = false;
    const asking = budget.reserve(repository.registry, bytes.length);
    const reservation = await inTime(asking, (late) => late instanceof Reservation && late.release());
    if (reservation instanceof Reservation) {
      try {
        await this.#store(repository, reference, fetched, manifest);
        isStored = true;
        await budget.share();
      } catch (error) {
        telemetry.storeFailed({ digest, error });
      } finally {
        reservation.release();
      }
    } else {
      const { registry: upstream } = repository;
      telemetry.bypassed({ upstream, digest, sizeBytes: bytes.length, reason: reservation });
    }
    if (purpose === 'miss') this.#options.onFetched(repository, manifest);
    return isStored;
  }

  /** Bytes first, then one transaction, and nobody removes the digest meanwhile. */
  async #store(
    repository: Repository,
    reference: Reference,
    fetched: FetchedManifest,
    { artifactType, references }: ParsedManifest,
  ): Promise<void> {
    const { store, hot, index, locks, lost } = this.#options;
    const { digest, mediaType, bytes } = fetched;
    const ageMs = ageOf(reference, fetched);
    await locks.run(digest, async () => {
      await store.put(digest, bytes);
      const isToldLater = ageMs > 0 && (await this.#isToldLater(repository, reference, Date.now() - ageMs));
      await index.putManifest({
        repository: repository.name,
        digest,
        mediaType,
        sizeBytes: bytes.length,
        artifactType,
        references,
        tags: reference.kind === 'tag' && !isToldLater ? [reference.tag] : [],
        atMs: Date.now(),
      });
      // What another site was told a while ago is no fresher here than there.
      if (reference.kind === 'tag' && ageMs > 0 && !isToldLater) {
        await index.putTag(repository.name, reference.tag, digest, Date.now() - ageMs);
      }
    });
    lost.stored(digest, repository.name);
    await this.#putSeenTags(repository, digest);
    hot.set(digest, bytes);
  }

  /** Has the upstream itself said where the tag points since then? */
  async #isToldLater({ name }: Repository, reference: Reference, atMs: number): Promise<boolean> {
    if (reference.kind !== 'tag') return false;
    const row = await this.#options.index.findTag(name, reference.tag);
    return row !== undefined && row.validatedAtMs >= atMs;
  }

  /** Tags that a HEAD has told of point here as of then; what was learned later stands. */
  async #putSeenTags(repository: Repository, digest: Digest): Promise<void> {
    const { index, seen } = this.#options;
    for (const { tag, atMs } of seen.tagsOf(repository.name, digest)) {
      const row = await index.findTag(repository.name, tag);
      if (!row || row.validatedAtMs < atMs) await index.putTag(repository.name, tag, digest, atMs);
    }
  }
}

/** How long ago the upstream said where the tag points; a digest never points elsewhere. */
function ageOf({ kind }: Reference, { ageMs = 0 }: FetchedManifest): number {
  return kind === 'tag' ? ageMs : 0;
}
