import { MetadataError } from '../metadata/metadata-error.ts';
import type { MetadataIndex, TagRow } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { referenceText, type Reference } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import type { ManifestHead, Purpose } from '../upstream/upstream.ts';
import { SingleFlight } from '../util/single-flight.ts';
import { type Freshness, judgeAge, oldestServed } from './freshness.ts';
import { headAnswer, type ManifestAnswer, type ManifestDepth } from './manifest-answer.ts';
import type { ManifestShelf } from './manifest-shelf.ts';
import { NotFoundCache } from './not-found-cache.ts';
import type { Outcome } from './outcome.ts';
import { Patience } from './patience.ts';
import type { EarlyManifests } from './pushing/early-manifests.ts';
import { type ContentBringer, HostedManifests } from './pushing/hosted-manifests.ts';
import { RegistryError, toRegistryError } from './registry-error.ts';
import type { TagRules } from './rules.ts';
import type { SeenTags } from './seen-tags.ts';
import type { Upstreams } from './upstreams.ts';

export interface ManifestsOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly shelf: ManifestShelf;
  readonly early: EarlyManifests;
  readonly seen: SeenTags;
  readonly telemetry: Telemetry;
  readonly notFoundForMs: number;
}

interface ValidationOptions {
  readonly depth: ManifestDepth;
  readonly purpose: Purpose;
  /** For the question where the tag points; undefined: as long as the upstream may take for anything. */
  readonly limitMs: number | undefined;
}

/** An upstream that hangs is asked anew after this, so that it is noticed soon when it works again. */
const VALIDATION_MS = 5_000;
/** Nobody waits for what is refreshed ahead of time. */
const REFRESH_MS = 60_000;

/** Manifests of repositories, by tag and by digest: whether to ask the upstream. All errors are RegistryErrors. */
export class Manifests {
  readonly #options: ManifestsOptions;
  readonly #notFound: NotFoundCache;
  readonly #hosted: HostedManifests;
  readonly #patience = new Patience();
  readonly #validations = new SingleFlight<ManifestAnswer>();

  constructor(options: ManifestsOptions) {
    this.#options = options;
    this.#notFound = new NotFoundCache(options.notFoundForMs);
    this.#hosted = new HostedManifests(options);
  }

  /** A HEAD is a use too: a client that has the image asks for no more. */
  async get(
    repository: Repository,
    reference: Reference,
    depth: ManifestDepth,
    purpose: Purpose = 'miss',
  ): Promise<ManifestAnswer> {
    try {
      const answer = await this.#find(repository, reference, depth, purpose);
      this.#options.index.noteUse({ repository: repository.name, digest: answer.digest, atMs: Date.now() });
      return answer;
    } catch (error) {
      throw this.#translated(error, repository, reference);
    }
  }

  /** Whether it is here, whatever an upstream has: for who brings it otherwise. @throws RegistryError MANIFEST_UNKNOWN also */
  async headStored(repository: Repository, reference: Reference, by: ContentBringer): Promise<ManifestAnswer> {
    try {
      return await this.#hosted.headStored(repository, reference, by);
    } catch (error) {
      throw this.#translated(error, repository, reference);
    }
  }

  /**
   * Asks the upstream now where a tag points, however fresh it is.
   * @returns what it pointed at before, if it was here, and what it points at now; undefined if the upstream has it no more
   */
  async refresh(
    repository: Repository,
    tag: string,
    purpose: Purpose,
  ): Promise<{ before: Digest | undefined; now: Digest | undefined }> {
    const row = await this.#options.index.findTag(repository.name, tag);
    try {
      const answer = row
        ? await this.#validateOrDrop(repository, tag, row, { depth: 'whole', purpose, limitMs: REFRESH_MS })
        : await this.#options.shelf.fetch(repository, { kind: 'tag', tag }, purpose);
      this.#notFound.forget(repository.name, tag);
      return { before: row?.digest, now: answer.digest };
    } catch (error) {
      if (!isNotFound(error)) throw this.#translated(error, repository, { kind: 'tag', tag });
      return { before: row?.digest, now: undefined };
    }
  }

  #find(repository: Repository, reference: Reference, depth: ManifestDepth, purpose: Purpose): Promise<ManifestAnswer> {
    if (this.#options.upstreams.isHosted(repository)) return this.#hosted.get(repository, reference, depth);
    return reference.kind === 'tag'
      ? this.#byTag(repository, reference.tag, depth, purpose)
      : this.#byDigest(repository, reference.digest, depth, purpose);
  }

  async #byDigest(
    repository: Repository,
    digest: Digest,
    depth: ManifestDepth,
    purpose: Purpose,
  ): Promise<ManifestAnswer> {
    const { index, shelf } = this.#options;
    const row = await index.findManifest(repository.name, digest);
    const stored = row && (await shelf.answer(row, 'hit', row.storedAtMs, depth));
    if (stored) return stored;
    const reference = { kind: 'digest', digest } as const;
    this.#throwIfNotFound(repository, reference);
    if ((await index.findBlob(repository.name, digest)).isStored) return shelf.adopt(repository, digest);
    const told = depth === 'head' ? await this.#headUpstream(repository, reference) : undefined;
    return told ?? shelf.fetch(repository, reference, purpose);
  }

  async #byTag(repository: Repository, tag: string, depth: ManifestDepth, purpose: Purpose): Promise<ManifestAnswer> {
    const { index, upstreams, shelf } = this.#options;
    const { isOffline } = upstreams.get(repository.registry);
    const rules = this.#rulesOf(repository);
    const row = await index.findTag(repository.name, tag);
    if (row) {
      const age = rules.isImmutable(tag) ? 'fresh' : judgeAge(Date.now() - row.validatedAtMs, rules.freshness);
      if (age !== 'fresh' && !isOffline) return this.#byStaleTag(repository, tag, row, age, depth);
      const outcome = age === 'fresh' ? 'hit' : 'stale';
      const cached = await shelf.answer(row, outcome, row.validatedAtMs, depth);
      if (cached) return cached;
    }
    const { freshness } = rules;
    const sinceMs = isOffline || rules.isImmutable(tag) ? undefined : oldestServed(freshness);
    return this.#byMissingTag(repository, tag, { depth, purpose, sinceMs, freshness });
  }

  /** @param how.sinceMs what another site was told before that is no answer */
  async #byMissingTag(
    repository: Repository,
    tag: string,
    how: { depth: ManifestDepth; purpose: Purpose; sinceMs: number | undefined; freshness: Freshness },
  ): Promise<ManifestAnswer> {
    const { seen, shelf } = this.#options;
    const { depth, purpose, sinceMs, freshness } = how;
    const reference = { kind: 'tag', tag } as const;
    this.#throwIfNotFound(repository, reference);
    if (depth === 'head') {
      const told = seen.find(repository.name, tag, freshness.freshForMs);
      if (told) return { ...told.answer, outcome: 'hit', ageMs: told.ageMs };
      const head = await this.#headUpstream(repository, reference, sinceMs);
      if (head) return head;
    }
    return shelf.fetch(repository, reference, purpose, sinceMs);
  }

  async #byStaleTag(
    repository: Repository,
    tag: string,
    row: TagRow,
    age: 'refreshing' | 'stale' | 'expired',
    depth: ManifestDepth,
  ): Promise<ManifestAnswer> {
    const { shelf, telemetry } = this.#options;
    const isKept = this.#rulesOf(repository).onUpstreamDelete === 'keep';
    const cached = (outcome: Outcome) => shelf.answer(row, outcome, row.validatedAtMs, depth);
    // That the upstream has it no more it said a moment ago.
    const kept = isKept && this.#notFound.has(repository.name, tag) ? await cached('stale') : undefined;
    if (kept) return kept;
    // What may not be served without an answer is as good as missing.
    const how =
      age === 'expired'
        ? { depth, purpose: 'miss' as const, limitMs: undefined }
        : { depth, purpose: 'revalidation' as const, limitMs: VALIDATION_MS };
    const validation = this.#validations.run(`${how.purpose} ${depth} ${repository.name}:${tag}`, () =>
      this.#validateOrDrop(repository, tag, row, how),
    );
    // Whoever does not wait for it must not be hit by its failure.
    validation.catch((error: unknown) => isNotFound(error) && this.#notFound.add(repository.name, tag));
    const stale = async (outcome: Outcome): Promise<ManifestAnswer> => (await cached(outcome)) ?? validation;
    if (age === 'refreshing') return stale('updating');
    try {
      if (age === 'expired') return await validation;
      return (await this.#patience.wait(repository.registry, validation)) ?? (await stale('updating'));
    } catch (error) {
      if (isNotFound(error) ? !isKept : age === 'expired') throw error;
      telemetry.staleServed({ repository: repository.name, reference: tag, error });
      return stale('stale');
    }
  }

  /** {@link #validate}; a tag that the upstream has no more goes from here too, where the rules say so. */
  async #validateOrDrop(
    repository: Repository,
    tag: string,
    row: TagRow,
    how: ValidationOptions,
  ): Promise<ManifestAnswer> {
    try {
      return await this.#validate(repository, tag, row, how);
    } catch (error) {
      if (isNotFound(error) && this.#rulesOf(repository).onUpstreamDelete === 'drop') {
        await this.#options.index.dropTag(repository.name, tag);
      }
      throw error;
    }
  }

  #rulesOf(repository: Repository): TagRules {
    return this.#options.upstreams.get(repository.registry).rules.tags(repository);
  }

  /** Asks the upstream whether the tag still points there; fetches what it points at now if not. */
  async #validate(
    repository: Repository,
    tag: string,
    row: TagRow,
    { depth, purpose, limitMs }: ValidationOptions,
  ): Promise<ManifestAnswer> {
    const { upstreams, shelf, seen } = this.#options;
    const { upstream } = upstreams.get(repository.registry);
    const { validatedAtMs } = row;
    const limit = limitMs === undefined ? {} : { signal: AbortSignal.timeout(limitMs) };
    const options = { ...limit, purpose, validatedAtMs };
    const head = await upstream.headManifest(repository.path, { kind: 'tag', tag }, options);
    if (head.digest === undefined) return shelf.fetch(repository, { kind: 'tag', tag }, purpose, validatedAtMs);
    const atMs = toldAtMs(head);
    const later = await this.#toldLater(repository, tag, head, depth);
    if (later) return later;
    seen.add(repository.name, tag, head.digest, atMs);
    if (head.digest === row.digest) {
      await this.#confirmTag(repository, tag, row.digest, atMs);
      const answer = await shelf.answer(row, 'revalidated', atMs, depth);
      if (answer) return answer;
    }
    const known = await this.#moveToKnown(repository, tag, { digest: head.digest, atMs }, depth);
    if (known) return known;
    // A client that is told a digest asks for it next. Where an older image can be served that must not be in vain.
    const told = depth === 'head' && purpose === 'miss' ? headAnswer(head) : undefined;
    if (told) seen.tell(repository.name, tag, told, atMs);
    return told ?? this.#fetchTarget(repository, tag, head.digest, purpose);
  }

  /** What the upstream itself has said while another site was asked counts more than what that one was told before. */
  async #toldLater(
    { name }: Repository,
    tag: string,
    head: ManifestHead,
    depth: ManifestDepth,
  ): Promise<ManifestAnswer | undefined> {
    const { index, shelf } = this.#options;
    const row = head.ageMs === undefined ? undefined : await index.findTag(name, tag);
    if (!row || row.validatedAtMs < toldAtMs(head)) return undefined;
    return shelf.answer(row, 'revalidated', row.validatedAtMs, depth);
  }

  /** A registry may tell of a tag before all of it has the manifest: that is trouble, and no deletion. */
  async #fetchTarget(repository: Repository, tag: string, digest: Digest, purpose: Purpose): Promise<ManifestAnswer> {
    try {
      return await this.#options.shelf.fetch(repository, { kind: 'digest', digest }, purpose);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const message = `says that ${tag} is ${digest}, and does not have that`;
      throw new UpstreamError('INVALID', repository.registry, message, { cause: error });
    }
  }

  /** An index that refuses costs another question next time, not the client its answer. */
  async #confirmTag(repository: Repository, tag: string, digest: Digest, atMs: number): Promise<void> {
    const { index, telemetry } = this.#options;
    await index.putTag(repository.name, tag, digest, atMs).catch((error: unknown) => {
      // Evicted or purged this moment: whoever reads it next finds out.
      if (error instanceof MetadataError && error.code === 'NO_MANIFEST') return;
      telemetry.storeFailed({ digest, error });
    });
  }

  /** The tag moved to a manifest that is here already. */
  async #moveToKnown(
    repository: Repository,
    tag: string,
    { digest, atMs }: { digest: Digest; atMs: number },
    depth: ManifestDepth,
  ): Promise<ManifestAnswer | undefined> {
    const { index, shelf } = this.#options;
    const row = await index.findManifest(repository.name, digest);
    if (!row) return undefined;
    await this.#confirmTag(repository, tag, digest, atMs);
    return shelf.answer(row, 'revalidated', atMs, depth);
  }

  /** The answer to a HEAD for what is not here, without fetching it; undefined when the upstream tells too little. */
  async #headUpstream(
    repository: Repository,
    reference: Reference,
    validatedAtMs?: number,
  ): Promise<ManifestAnswer | undefined> {
    const { upstreams, seen } = this.#options;
    const { upstream } = upstreams.get(repository.registry);
    const options = validatedAtMs === undefined ? {} : { validatedAtMs };
    const head = await upstream.headManifest(repository.path, reference, options);
    const answer = headAnswer(reference.kind === 'digest' ? { ...head, digest: reference.digest } : head);
    if (!answer || reference.kind === 'digest') return answer;
    const atMs = toldAtMs(head);
    const later = await this.#toldLater(repository, reference.tag, head, 'head');
    if (later) return later;
    seen.add(repository.name, reference.tag, answer.digest, atMs);
    const known = await this.#moveToKnown(repository, reference.tag, { digest: answer.digest, atMs }, 'head');
    if (known) return { ...known, outcome: 'miss' };
    seen.tell(repository.name, reference.tag, answer, atMs);
    return answer;
  }

  #throwIfNotFound(repository: Repository, reference: Reference): void {
    if (this.#notFound.has(repository.name, referenceText(reference))) throw unknownManifest(repository, reference);
  }

  #translated(error: unknown, repository: Repository, reference: Reference): unknown {
    if (isNotFound(error)) {
      this.#notFound.add(repository.name, referenceText(reference));
      return unknownManifest(repository, reference, error);
    }
    return toRegistryError(error, 'MANIFEST_UNKNOWN');
  }
}

/** When the upstream said where a tag points: another site may repeat what it was told a while ago. */
function toldAtMs({ ageMs = 0 }: ManifestHead): number {
  return Date.now() - ageMs;
}

function isNotFound(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'NOT_FOUND';
}

function unknownManifest(repository: Repository, reference: Reference, cause?: unknown): RegistryError {
  const message = `${repository.name} has no manifest ${referenceText(reference)}`;
  return new RegistryError('MANIFEST_UNKNOWN', message, { cause });
}
