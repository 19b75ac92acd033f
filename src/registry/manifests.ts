import type { ContentStore } from '../content/content-store.ts';
import type { ManifestRow, MetadataIndex, TagRow } from '../metadata/metadata-index.ts';
import { parseManifest, type ParsedManifest } from '../oci/manifest.ts';
import type { Digest } from '../oci/digest.ts';
import { referenceText, type Reference } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { FetchedManifest, ManifestHead } from '../upstream/upstream.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import { SingleFlight } from '../util/single-flight.ts';
import { judgeAge } from './freshness.ts';
import type { HotManifests } from './hot-manifests.ts';
import { NotFoundCache } from './not-found-cache.ts';
import type { Outcome } from './outcome.ts';
import { Patience } from './patience.ts';
import { RegistryError, toRegistryError } from './registry-error.ts';
import { SeenTags } from './seen-tags.ts';
import type { Upstreams, UpstreamSite } from './upstreams.ts';

/** A manifest as it is told to a client. */
export interface ManifestAnswer {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly outcome: Outcome;
  /** Since the upstream said so: for a tag when it was last confirmed, for a digest when it was stored. */
  readonly ageMs: number;
  /** Left out of the answer to a HEAD when it is not at hand. */
  readonly bytes: Uint8Array | undefined;
}

export interface ManifestsOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly hot: HotManifests;
  readonly telemetry: Telemetry;
  readonly notFoundForMs: number;
  /** A manifest that was not here before came for a client. */
  readonly onFetched: (repository: Repository, manifest: ParsedManifest) => void;
}

/** `head`: only what the headers tell is needed, which spares the upstream's pull quota. */
export type ManifestDepth = 'head' | 'whole';

/** Manifests of repositories, by tag and by digest. All errors are RegistryErrors. */
export class Manifests {
  readonly #options: ManifestsOptions;
  readonly #notFound: NotFoundCache;
  readonly #patience = new Patience();
  readonly #seen = new SeenTags();
  readonly #fetches = new SingleFlight<ManifestAnswer>();
  readonly #validations = new SingleFlight<ManifestAnswer>();

  constructor(options: ManifestsOptions) {
    this.#options = options;
    this.#notFound = new NotFoundCache(options.notFoundForMs);
  }

  async get(repository: Repository, reference: Reference, depth: ManifestDepth): Promise<ManifestAnswer> {
    try {
      const answer =
        reference.kind === 'tag'
          ? await this.#byTag(repository, reference.tag, depth)
          : await this.#byDigest(repository, reference.digest, depth);
      if (depth === 'whole') {
        this.#options.index.noteUse({ repository: repository.name, digest: answer.digest, atMs: Date.now() });
      }
      return answer;
    } catch (error) {
      throw this.#translated(error, repository, reference);
    }
  }

  async #byDigest(repository: Repository, digest: Digest, depth: ManifestDepth): Promise<ManifestAnswer> {
    const { index } = this.#options;
    const row = await index.findManifest(repository.name, digest);
    const stored = row && (await this.#answer(row, 'hit', row.storedAtMs, depth));
    if (stored) return stored;
    const reference = { kind: 'digest', digest } as const;
    this.#throwIfNotFound(repository, reference);
    const { isStored } = await index.findBlob(repository.name, digest);
    // The bytes are here from another repository: that it is in this one too is all there is to ask.
    if (isStored) return this.#fetches.run(`${repository.name}@${digest}?`, () => this.#adopt(repository, digest));
    if (depth === 'head') {
      const head = await this.#headUpstream(repository, reference);
      if (head) return head;
    }
    return this.#fetch(repository, reference);
  }

  async #byTag(repository: Repository, tag: string, depth: ManifestDepth): Promise<ManifestAnswer> {
    const { index, upstreams } = this.#options;
    const site = upstreams.get(repository.registry);
    const row = await index.findTag(repository.name, tag);
    if (!row) return this.#byMissingTag(repository, tag, depth, site);
    const age = judgeAge(Date.now() - row.validatedAtMs, site.freshness);
    if (age === 'fresh') {
      return (
        (await this.#answer(row, 'hit', row.validatedAtMs, depth)) ?? this.#byMissingTag(repository, tag, depth, site)
      );
    }
    return this.#byStaleTag(repository, tag, row, age, depth);
  }

  async #byMissingTag(
    repository: Repository,
    tag: string,
    depth: ManifestDepth,
    site: UpstreamSite,
  ): Promise<ManifestAnswer> {
    const reference = { kind: 'tag', tag } as const;
    this.#throwIfNotFound(repository, reference);
    if (depth === 'head') {
      const seen = this.#seen.find(repository.name, tag, site.freshness.freshForMs);
      if (seen) return { ...seen.answer, outcome: 'hit', ageMs: seen.ageMs };
      const head = await this.#headUpstream(repository, reference);
      if (head) return head;
    }
    return this.#fetch(repository, reference);
  }

  async #byStaleTag(
    repository: Repository,
    tag: string,
    row: TagRow,
    age: 'refreshing' | 'stale' | 'expired',
    depth: ManifestDepth,
  ): Promise<ManifestAnswer> {
    const validation = this.#validations.run(`${depth} ${repository.name}:${tag}`, () =>
      this.#validate(repository, tag, row, depth),
    );
    // Whoever does not wait for it must not be hit by its failure.
    validation.catch(() => undefined);
    if (age === 'expired') return validation;
    const stale = async (outcome: Outcome): Promise<ManifestAnswer> =>
      (await this.#answer(row, outcome, row.validatedAtMs, depth)) ?? validation;
    if (age === 'refreshing') return stale('updating');
    try {
      return (await this.#patience.wait(repository.registry, validation)) ?? (await stale('updating'));
    } catch (error) {
      this.#options.telemetry.staleServed({ repository: repository.name, reference: tag, error });
      return stale('stale');
    }
  }

  /** Asks the upstream whether the tag still points there; fetches what it points at now if not. */
  async #validate(repository: Repository, tag: string, row: TagRow, depth: ManifestDepth): Promise<ManifestAnswer> {
    const { index, upstreams } = this.#options;
    const { upstream } = upstreams.get(repository.registry);
    const reference = { kind: 'tag', tag } as const;
    const head = await upstream.headManifest(repository.path, reference);
    if (head.digest === row.digest) {
      const now = Date.now();
      await index.putTag(repository.name, tag, row.digest, now);
      const answer = await this.#answer(row, 'revalidated', now, depth);
      if (answer) return answer;
    }
    if (head.digest === undefined) return this.#fetch(repository, reference);
    const moved = { kind: 'digest', digest: head.digest } as const;
    this.#seen.add(repository.name, tag, head.digest);
    const known = await this.#moveToKnown(repository, tag, head.digest, depth);
    if (known) return known;
    const told = depth === 'head' ? headAnswer(head) : undefined;
    if (told) this.#seen.tell(repository.name, tag, told);
    return told ?? this.#fetch(repository, moved);
  }

  /** The tag moved to a manifest that is here already. */
  async #moveToKnown(
    repository: Repository,
    tag: string,
    digest: Digest,
    depth: ManifestDepth,
  ): Promise<ManifestAnswer | undefined> {
    const { index } = this.#options;
    const row = await index.findManifest(repository.name, digest);
    if (!row) return undefined;
    await index.putTag(repository.name, tag, digest, Date.now());
    return this.#answer(row, 'revalidated', Date.now(), depth);
  }

  /** The answer to a HEAD for what is not here, without fetching it; undefined when the upstream tells too little. */
  async #headUpstream(repository: Repository, reference: Reference): Promise<ManifestAnswer | undefined> {
    const { upstream } = this.#options.upstreams.get(repository.registry);
    const head = await upstream.headManifest(repository.path, reference);
    const digest = head.digest ?? (reference.kind === 'digest' ? reference.digest : undefined);
    const answer = headAnswer({ ...head, digest });
    if (!answer || reference.kind === 'digest') return answer;
    this.#seen.add(repository.name, reference.tag, answer.digest);
    const known = await this.#moveToKnown(repository, reference.tag, answer.digest, 'head');
    if (!known) this.#seen.tell(repository.name, reference.tag, answer);
    return known ? { ...known, outcome: 'miss' } : answer;
  }

  #fetch(repository: Repository, reference: Reference): Promise<ManifestAnswer> {
    return this.#fetches.run(`${repository.name}@${referenceText(reference)}`, async () => {
      const { upstream } = this.#options.upstreams.get(repository.registry);
      const fetched = await upstream.getManifest(repository.path, reference);
      const isStored = await this.#keep(repository, reference, fetched);
      return {
        digest: fetched.digest,
        mediaType: fetched.mediaType,
        sizeBytes: fetched.bytes.length,
        outcome: isStored ? 'miss' : 'bypass',
        ageMs: 0,
        bytes: fetched.bytes,
      };
    });
  }

  /** Bytes first, then one transaction. A disk that refuses costs the copy, not the client its answer. */
  async #keep(repository: Repository, reference: Reference, fetched: FetchedManifest): Promise<boolean> {
    const { store, hot, index, telemetry } = this.#options;
    const manifest = parseManifest(fetched.bytes, fetched.mediaType);
    const tags = new Set(this.#seen.tagsOf(repository.name, fetched.digest));
    if (reference.kind === 'tag') tags.add(reference.tag);
    let isStored = true;
    try {
      await store.put(fetched.digest, fetched.bytes);
      await index.putManifest({
        repository: repository.name,
        digest: fetched.digest,
        mediaType: fetched.mediaType,
        sizeBytes: fetched.bytes.length,
        artifactType: manifest.artifactType,
        references: manifest.references,
        tags: [...tags],
        atMs: Date.now(),
      });
      hot.set(fetched.digest, fetched.bytes);
    } catch (error) {
      telemetry.storeFailed({ digest: fetched.digest, error });
      isStored = false;
    }
    this.#options.onFetched(repository, manifest);
    return isStored;
  }

  /** Makes a manifest whose bytes are stored part of this repository too, once the upstream has confirmed it. */
  async #adopt(repository: Repository, digest: Digest): Promise<ManifestAnswer> {
    const reference = { kind: 'digest', digest } as const;
    const { upstream } = this.#options.upstreams.get(repository.registry);
    const head = await upstream.headManifest(repository.path, reference);
    const bytes = await this.#options.hot.get(digest);
    if (!bytes || head.mediaType === undefined) return this.#fetch(repository, reference);
    await this.#keep(repository, reference, { digest, mediaType: head.mediaType, bytes });
    return { digest, mediaType: head.mediaType, sizeBytes: bytes.length, outcome: 'revalidated', ageMs: 0, bytes };
  }

  /** An answer from the store; undefined when its bytes are not what they should be, which the index then learns. */
  async #answer(
    row: ManifestRow,
    outcome: Outcome,
    sinceMs: number,
    depth: ManifestDepth,
  ): Promise<ManifestAnswer | undefined> {
    const { hot, index, store, telemetry } = this.#options;
    const { digest, mediaType, sizeBytes } = row;
    const bytes = depth === 'head' ? hot.peek(digest) : await hot.get(digest);
    if (!bytes && depth === 'whole') {
      telemetry.contentLost({ digest, reason: 'a manifest is missing or damaged' });
      await store.remove(digest);
      await index.removeBlob(digest);
      return undefined;
    }
    return { digest, mediaType, sizeBytes, outcome, ageMs: Math.max(0, Date.now() - sinceMs), bytes };
  }

  #throwIfNotFound(repository: Repository, reference: Reference): void {
    if (this.#notFound.has(repository.name, referenceText(reference))) throw unknownManifest(repository, reference);
  }

  #translated(error: unknown, repository: Repository, reference: Reference): unknown {
    if (error instanceof UpstreamError && error.code === 'NOT_FOUND') {
      this.#notFound.add(repository.name, referenceText(reference));
      return unknownManifest(repository, reference, error);
    }
    return toRegistryError(error, 'MANIFEST_UNKNOWN');
  }
}

/** The answer that an upstream's HEAD makes possible, if it told everything. */
function headAnswer(head: ManifestHead): ManifestAnswer | undefined {
  const { digest, mediaType, sizeBytes } = head;
  if (digest === undefined || mediaType === undefined || sizeBytes === undefined) return undefined;
  return { digest, mediaType, sizeBytes, outcome: 'miss', ageMs: 0, bytes: undefined };
}

function unknownManifest(repository: Repository, reference: Reference, cause?: unknown): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `${repository.name} has no manifest ${referenceText(reference)}`, {
    cause,
  });
}
