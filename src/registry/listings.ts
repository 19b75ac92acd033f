import { setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import { digestAlgorithm, digestHex } from '../oci/digest.ts';
import { isTag } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import type { CallOptions } from '../upstream/upstream.ts';
import { SingleFlight } from '../util/single-flight.ts';
import { judgeAge } from './freshness.ts';
import type { Manifests } from './manifests.ts';
import type { Outcome } from './outcome.ts';
import { Patience } from './patience.ts';
import { RegistryError, toRegistryError } from './registry-error.ts';
import type { ReferrerDescriptor, ReferrersQuery, StoredReferrers } from './stored-referrers.ts';
import type { Upstreams } from './upstreams.ts';

/** A list, and how it was come by. */
export interface Listing<Entry> {
  readonly entries: readonly Entry[];
  readonly outcome: Outcome;
  readonly ageMs: number;
  /** The last entry's name, if there are more behind it. */
  readonly next?: string | undefined;
}

export interface ListingsOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly manifests: Manifests;
  readonly stored: StoredReferrers;
  readonly telemetry: Telemetry;
}

/** Names that are looked at before others have their turn. */
const REPOSITORIES = 1_000;
const MAX_STRANGERS_BYTES = 4 * 1024 * 1024;

/**
 * Tags and referrers: of hosted repositories from the index, of others as their upstream lists them, kept for when it is
 * away. All errors are RegistryErrors.
 */
export class Listings {
  readonly #options: ListingsOptions;
  readonly #patience = new Patience();
  readonly #fetches = new SingleFlight<readonly unknown[]>();
  /** Lists about what is not here: anyone can ask for any number of them, so they do not come into the index. */
  readonly #strangers = new LRUCache<string, { body: Uint8Array; validatedAtMs: number }>({
    maxSize: MAX_STRANGERS_BYTES,
    sizeCalculation: ({ body }, key) => body.length + key.length,
  });

  constructor(options: ListingsOptions) {
    this.#options = options;
  }

  /** All tags in byte order: those that the upstream tells, and those that are here and stay without it. */
  async tags(repository: Repository): Promise<Listing<string>> {
    const { index, upstreams, telemetry } = this.#options;
    if (upstreams.isHosted(repository)) return this.#hostedTags(repository);
    const known = await index.listTags(repository.name);
    const { rules } = upstreams.get(repository.registry);
    const staysWithout = rules.tags(repository).onUpstreamDelete === 'keep';
    try {
      const listing = await this.#cached(repository, { key: 'tags' }, async (options) => {
        const tags = await upstreams.get(repository.registry).upstream.listTags(repository.path, options);
        return tags.filter(isTag);
      });
      return { ...listing, entries: [...new Set([...listing.entries, ...(staysWithout ? known : [])])].sort() };
    } catch (error) {
      if (known.length === 0 || (isNotFound(error) && !staysWithout)) throw toRegistryError(error, 'NAME_UNKNOWN');
      telemetry.staleServed({ repository: repository.name, reference: 'tags', error });
      return { entries: known, outcome: 'stale', ageMs: 0 };
    }
  }

  /**
   * Descriptors of manifests whose subject is this digest (distribution-spec, "Listing Referrers"): those that the upstream
   * lists, which come all at once, and those that are here.
   */
  async referrers(
    repository: Repository,
    subject: Digest,
    query: ReferrersQuery,
  ): Promise<Listing<ReferrerDescriptor>> {
    const { upstreams, stored } = this.#options;
    try {
      if (upstreams.isHosted(repository)) {
        return { ...(await stored.page(repository.name, subject, query)), outcome: 'hit', ageMs: 0 };
      }
      const here = await stored.page(repository.name, subject, { ...query, after: undefined, limit: undefined });
      const listed = await this.#listedReferrers(repository, subject, here.entries);
      const isListed = new Set(listed.entries.map(({ digest }) => digest));
      const all = [...listed.entries, ...here.entries.filter(({ digest }) => !isListed.has(digest))];
      const { artifactType } = query;
      const entries = artifactType === undefined ? all : all.filter((entry) => entry.artifactType === artifactType);
      return { ...listed, entries };
    } catch (error) {
      throw toRegistryError(error, 'NAME_UNKNOWN');
    }
  }

  /** Names of repositories that hold something and are wanted, in byte order. */
  async repositories(
    { prefix, after, limit }: { prefix: string; after: string; limit: number },
    isWanted: (name: string) => boolean,
  ): Promise<string[]> {
    const wanted: string[] = [];
    let last = after;
    while (wanted.length < limit) {
      const names = await this.#options.index.listRepositories({ prefix, after: last, limit: REPOSITORIES });
      wanted.push(...names.filter(isWanted));
      last = names.at(-1) ?? '';
      if (names.length < REPOSITORIES) break;
      await nextTurn();
    }
    return wanted.slice(0, limit);
  }

  async #hostedTags(repository: Repository): Promise<Listing<string>> {
    const { index } = this.#options;
    try {
      const entries = await index.listTags(repository.name);
      // Names in byte order: its own comes before those that only begin with it.
      const [first] =
        entries.length > 0 ? [repository.name] : await index.listRepositories({ prefix: repository.name, limit: 1 });
      if (first === repository.name) return { entries, outcome: 'hit', ageMs: 0 };
    } catch (error) {
      throw toRegistryError(error, 'NAME_UNKNOWN');
    }
    throw new RegistryError('NAME_UNKNOWN', `there is no repository ${repository.name} here`);
  }

  /** What the upstream lists; nothing if it never told and is away, and something is here. */
  async #listedReferrers(
    repository: Repository,
    subject: Digest,
    here: readonly unknown[],
  ): Promise<Listing<ReferrerDescriptor>> {
    const list = { key: `referrers ${subject}`, about: subject };
    try {
      return await this.#cached(repository, list, (options) => this.#fetchReferrers(repository, subject, options));
    } catch (error) {
      if (here.length === 0) throw error;
      this.#options.telemetry.staleServed({ repository: repository.name, reference: list.key, error });
      return { entries: [], outcome: 'stale', ageMs: 0 };
    }
  }

  async #fetchReferrers(repository: Repository, subject: Digest, options: CallOptions): Promise<ReferrerDescriptor[]> {
    const { upstream } = this.#options.upstreams.get(repository.registry);
    let body: Uint8Array | undefined;
    try {
      body = await upstream.listReferrers(repository.path, subject, options);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    body ??= await this.#referrersTag(repository, subject);
    return body ? descriptorsOf(body) : [];
  }

  /** Without the API, referrers stand in an index under a tag made of the digest ("Referrers Tag Schema"). */
  async #referrersTag(repository: Repository, subject: Digest): Promise<Uint8Array | undefined> {
    const tag = `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
    try {
      const answer = await this.#options.manifests.get(repository, { kind: 'tag', tag }, 'whole');
      return answer.mediaType === OCI_INDEX ? answer.bytes : undefined;
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined;
      throw error;
    }
  }

  /** An index that refuses costs the copy, not the client its answer. */
  async #keep(list: { repository: string; key: string; about?: Digest }, entries: readonly unknown[]): Promise<void> {
    const { index, telemetry } = this.#options;
    const body = Buffer.from(JSON.stringify(entries));
    const atMs = Date.now();
    try {
      if (await index.putListing({ ...list, body, atMs })) return;
      this.#strangers.set(`${list.repository} ${list.key}`, { body, validatedAtMs: atMs });
    } catch (error) {
      telemetry.log.error({ repository: list.repository, key: list.key, ...describeError(error) }, 'list not kept');
    }
  }

  /**
   * A list from the index while it is fresh, else from `fetch`; the old one when that fails or takes long, but not when the
   * upstream no longer has what it is about and the rules say that it goes here too.
   */
  async #cached<Entry>(
    repository: Repository,
    { key, about }: { key: string; about?: Digest },
    fetch: (options: CallOptions) => Promise<readonly Entry[]>,
  ): Promise<Listing<Entry>> {
    const { index, upstreams, telemetry } = this.#options;
    const { isOffline, rules } = upstreams.get(repository.registry);
    const { freshness, onUpstreamDelete } = rules.tags(repository);
    const row = (await index.findListing(repository.name, key)) ?? this.#strangers.get(`${repository.name} ${key}`);
    const ageMs = row ? Date.now() - row.validatedAtMs : 0;
    const age = row ? judgeAge(ageMs, freshness) : undefined;
    const cached = row && (JSON.parse(Buffer.from(row.body).toString()) as readonly Entry[]);
    if (cached && age === 'fresh') return { entries: cached, outcome: 'hit', ageMs };
    if (cached && isOffline) return { entries: cached, outcome: 'stale', ageMs };
    const fetching = this.#fetches.run(`${repository.name} ${key}`, async () => {
      const entries = await fetch(
        row ? { purpose: 'revalidation', validatedAtMs: row.validatedAtMs } : { purpose: 'miss' },
      );
      await this.#keep({ repository: repository.name, key, ...(about && { about }) }, entries);
      return entries;
    }) as Promise<readonly Entry[]>;
    fetching.catch(() => undefined);
    if (!cached || age === 'expired') return { entries: await fetching, outcome: 'miss', ageMs: 0 };
    if (age === 'refreshing') return { entries: cached, outcome: 'updating', ageMs };
    try {
      const entries = await this.#patience.wait(repository.registry, fetching);
      return entries ? { entries, outcome: 'miss', ageMs: 0 } : { entries: cached, outcome: 'updating', ageMs };
    } catch (error) {
      if (isNotFound(error) && onUpstreamDelete === 'drop') throw error;
      telemetry.staleServed({ repository: repository.name, reference: key, error });
      return { entries: cached, outcome: 'stale', ageMs };
    }
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'NOT_FOUND';
}

function descriptorsOf(body: Uint8Array): ReferrerDescriptor[] {
  const document = JSON.parse(Buffer.from(body).toString()) as { manifests?: unknown };
  const manifests = Array.isArray(document.manifests) ? (document.manifests as unknown[]) : [];
  return manifests.filter((entry): entry is ReferrerDescriptor => typeof entry === 'object' && entry !== null);
}
