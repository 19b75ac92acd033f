import type { MetadataIndex, TagRow } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { referenceText, type Reference } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import { SingleFlight } from '../util/single-flight.ts';
import { judgeAge } from './freshness.ts';
import { headAnswer, type ManifestAnswer, type ManifestDepth } from './manifest-answer.ts';
import type { ManifestShelf } from './manifest-shelf.ts';
import { NotFoundCache } from './not-found-cache.ts';
import type { Outcome } from './outcome.ts';
import { Patience } from './patience.ts';
import { RegistryError, toRegistryError } from './registry-error.ts';
import type { SeenTags } from './seen-tags.ts';
import type { Upstreams, UpstreamSite } from './upstreams.ts';

export interface ManifestsOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly shelf: ManifestShelf;
  readonly seen: SeenTags;
  readonly telemetry: Telemetry;
  readonly notFoundForMs: number;
}

/** An upstream that hangs is asked anew after this, so that it is noticed soon when it works again. */
const VALIDATION_MS = 5_000;

/** Manifests of repositories, by tag and by digest: whether to ask the upstream. All errors are RegistryErrors. */
export class Manifests {
  readonly #options: ManifestsOptions;
  readonly #notFound: NotFoundCache;
  readonly #patience = new Patience();
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
    const { index, shelf } = this.#options;
    const row = await index.findManifest(repository.name, digest);
    const stored = row && (await shelf.answer(row, 'hit', row.storedAtMs, depth));
    if (stored) return stored;
    const reference = { kind: 'digest', digest } as const;
    this.#throwIfNotFound(repository, reference);
    if ((await index.findBlob(repository.name, digest)).isStored) return shelf.adopt(repository, digest);
    const told = depth === 'head' ? await this.#headUpstream(repository, reference) : undefined;
    return told ?? shelf.fetch(repository, reference);
  }

  async #byTag(repository: Repository, tag: string, depth: ManifestDepth): Promise<ManifestAnswer> {
    const { index, upstreams, shelf } = this.#options;
    const site = upstreams.get(repository.registry);
    const row = await index.findTag(repository.name, tag);
    if (row) {
      const age = judgeAge(Date.now() - row.validatedAtMs, site.freshness);
      if (age !== 'fresh') return this.#byStaleTag(repository, tag, row, age, depth);
    }
    const fresh = row && (await shelf.answer(row, 'hit', row.validatedAtMs, depth));
    return fresh ?? this.#byMissingTag(repository, tag, depth, site);
  }

  async #byMissingTag(
    repository: Repository,
    tag: string,
    depth: ManifestDepth,
    site: UpstreamSite,
  ): Promise<ManifestAnswer> {
    const { seen, shelf } = this.#options;
    const reference = { kind: 'tag', tag } as const;
    this.#throwIfNotFound(repository, reference);
    if (depth === 'head') {
      const told = seen.find(repository.name, tag, site.freshness.freshForMs);
      if (told) return { ...told.answer, outcome: 'hit', ageMs: told.ageMs };
      const head = await this.#headUpstream(repository, reference);
      if (head) return head;
    }
    return shelf.fetch(repository, reference);
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
      (await this.#options.shelf.answer(row, outcome, row.validatedAtMs, depth)) ?? validation;
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
    const { index, upstreams, shelf, seen } = this.#options;
    const { upstream } = upstreams.get(repository.registry);
    const signal = AbortSignal.timeout(VALIDATION_MS);
    const head = await upstream.headManifest(repository.path, { kind: 'tag', tag }, { signal });
    if (head.digest === undefined) return shelf.fetch(repository, { kind: 'tag', tag });
    seen.add(repository.name, tag, head.digest);
    if (head.digest === row.digest) {
      const now = Date.now();
      await index.putTag(repository.name, tag, row.digest, now);
      const answer = await shelf.answer(row, 'revalidated', now, depth);
      if (answer) return answer;
    }
    const known = await this.#moveToKnown(repository, tag, head.digest, depth);
    if (known) return known;
    const told = depth === 'head' ? headAnswer(head) : undefined;
    if (told) seen.tell(repository.name, tag, told);
    return told ?? shelf.fetch(repository, { kind: 'digest', digest: head.digest });
  }

  /** The tag moved to a manifest that is here already. */
  async #moveToKnown(
    repository: Repository,
    tag: string,
    digest: Digest,
    depth: ManifestDepth,
  ): Promise<ManifestAnswer | undefined> {
    const { index, shelf } = this.#options;
    const row = await index.findManifest(repository.name, digest);
    if (!row) return undefined;
    await index.putTag(repository.name, tag, digest, Date.now());
    return shelf.answer(row, 'revalidated', Date.now(), depth);
  }

  /** The answer to a HEAD for what is not here, without fetching it; undefined when the upstream tells too little. */
  async #headUpstream(repository: Repository, reference: Reference): Promise<ManifestAnswer | undefined> {
    const { upstreams, seen } = this.#options;
    const { upstream } = upstreams.get(repository.registry);
    const head = await upstream.headManifest(repository.path, reference);
    const answer = headAnswer(reference.kind === 'digest' ? { ...head, digest: reference.digest } : head);
    if (!answer || reference.kind === 'digest') return answer;
    seen.add(repository.name, reference.tag, answer.digest);
    const known = await this.#moveToKnown(repository, reference.tag, answer.digest, 'head');
    if (known) return { ...known, outcome: 'miss' };
    seen.tell(repository.name, reference.tag, answer);
    return answer;
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

function unknownManifest(repository: Repository, reference: Reference, cause?: unknown): RegistryError {
  const message = `${repository.name} has no manifest ${referenceText(reference)}`;
  return new RegistryError('MANIFEST_UNKNOWN', message, { cause });
}
