import { setImmediate as nextTurn } from 'node:timers/promises';
import { ContentError } from '../../content/content-error.ts';
import type { ContentStore } from '../../content/content-store.ts';
import type { Cause } from '../../metadata/event-index.ts';
import type { KeptTag, MetadataIndex, PushResult } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestReference, ParsedManifest } from '../../oci/manifest.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import type { HotManifests } from '../hot-manifests.ts';
import { RegistryError, toRegistryError } from '../registry-error.ts';
import type { SeenTags } from '../seen-tags.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import type { LostContent } from '../upkeep/lost-content.ts';
import type { Upstreams } from '../upstreams.ts';
import type { HostedRules } from './hosted-rules.ts';
import { causeIn } from './cause-in.ts';
import { tagTarget } from './look-up.ts';
import { parsePushed } from './parse-pushed.ts';
import { requiredContent } from './required-content.ts';
import { tellingConflicts } from './telling-conflicts.ts';
import { noRoom, reserveRoom } from './upload-room.ts';
import { validatedAt } from './validated-at.ts';

export interface ManifestPushesOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly rules: HostedRules;
  readonly budget: DiskBudget;
  readonly hot: HotManifests;
  readonly seen: SeenTags;
  readonly lost: LostContent;
  /** One at a time for each digest: storing it, and removing it. */
  readonly locks: KeyedLock;
  /** One at a time for each repository: changes of its tags. */
  readonly tagLocks: KeyedLock;
  readonly telemetry: Telemetry;
}

/** A manifest as a client sends it. */
export interface ManifestPush {
  readonly repository: Repository;
  readonly reference: Reference;
  /** Tags besides the reference. */
  readonly tags: readonly string[];
  readonly bytes: Uint8Array;
  readonly contentType: string | undefined;
  readonly cause: Cause;
}

/** A manifest that was taken. */
export interface PushedManifest {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
  /** Tags that point elsewhere still, or stay deleted: they were changed later than at the site where this comes from. */
  readonly kept: readonly KeptTag[];
}

/** A manifest on its way into the store. */
interface Checked {
  readonly digest: Digest;
  readonly manifest: ParsedManifest;
  readonly required: readonly ManifestReference[];
  readonly tags: readonly string[];
}

/** Descriptors that are looked up before others have their turn. */
const LOOKUPS = 200;
/** A client that is told of so many that are missing knows what to do. */
const MAX_MISSING = 50;

/** Taking in manifests (distribution-spec, "Pushing Manifests"). All errors are RegistryErrors. */
export class ManifestPushes {
  readonly #options: ManifestPushesOptions;

  constructor(options: ManifestPushesOptions) {
    this.#options = options;
  }

  /** Bytes are kept exactly; tags point at it as soon as this returns, but for those that are kept. */
  async put(push: ManifestPush): Promise<PushedManifest> {
    try {
      const { digest, manifest } = parsePushed(push);
      const required = requiredContent(manifest);
      const missing = await this.#look(push.repository, required);
      if (missing.length > 0 && !this.#isSparse(push)) throw unknownContent(push.repository, missing);
      const tags = push.reference.kind === 'tag' ? [push.reference.tag, ...push.tags] : push.tags;
      const kept = await this.#store(push, { digest, manifest, required, tags });
      const subject = manifest.references.find(({ role }) => role === 'subject')?.digest;
      return { digest, subject, kept };
    } catch (error) {
      if (error instanceof ContentError && error.code === 'STORE_FULL') throw noRoom('disk', error);
      throw toRegistryError(error, 'MANIFEST_UNKNOWN');
    }
  }

  /** A replica may be a part of what its origin has, and a rule may allow the same of what is pushed. */
  #isSparse({ repository, cause }: ManifestPush): boolean {
    const { upstreams, rules } = this.#options;
    return cause.origin !== undefined || !upstreams.isHosted(repository) || rules.of(repository.name).isSparse;
  }

  /** @returns what is not there @throws RegistryError MANIFEST_INVALID when something has another size than the manifest says */
  async #look(repository: Repository, required: readonly ManifestReference[]): Promise<ManifestReference[]> {
    const { index } = this.#options;
    const missing: ManifestReference[] = [];
    for (const [position, reference] of required.entries()) {
      const { digest, role } = reference;
      if (position % LOOKUPS === LOOKUPS - 1) await nextTurn();
      const { isStored, belongs, sizeBytes } = await index.findBlob(repository.name, digest);
      const isManifest = role !== 'manifest' || (await index.findManifest(repository.name, digest)) !== undefined;
      if (!isStored || !belongs || !isManifest) missing.push(reference);
      else if (sizeBytes !== reference.sizeBytes) {
        const message = `the manifest says that ${digest} has ${reference.sizeBytes} bytes, but it has ${sizeBytes}`;
        throw new RegistryError('MANIFEST_INVALID', message, { details: [{ digest }] });
      }
    }
    return missing;
  }

  /** Bytes first, then one transaction, and nobody removes the digest meanwhile. @returns tags that stayed */
  async #store(push: ManifestPush, checked: Checked): Promise<readonly KeptTag[]> {
    const { store, index, budget, locks, lost, hot } = this.#options;
    const { repository, bytes } = push;
    const { digest, tags } = checked;
    await this.#requireMovable(repository, tags, digest);
    const reservation = await reserveRoom(budget, repository.registry, bytes.length);
    let kept: readonly KeptTag[];
    try {
      kept = await locks.run(digest, async () => {
        const wasStored = (await index.findBlob('', digest)).isStored;
        await store.put(digest, bytes);
        try {
          return await this.#note(push, checked);
        } catch (error) {
          // What the index does not have is not to lie there: it would be taken for something that was forgotten.
          if (!wasStored) await store.remove(digest);
          throw error;
        }
      });
    } finally {
      reservation.release();
    }
    lost.stored(digest, repository.name);
    hot.set(digest, bytes);
    await budget.share();
    this.#tell(push, checked, kept);
    return kept;
  }

  /** @returns tags that stayed */
  async #note(push: ManifestPush, { digest, manifest, required, tags }: Checked): Promise<readonly KeptTag[]> {
    const { index, tagLocks, upstreams } = this.#options;
    const { repository, bytes, cause } = push;
    const record = {
      repository: repository.name,
      digest,
      mediaType: manifest.mediaType,
      sizeBytes: bytes.length,
      artifactType: manifest.artifactType,
      references: manifest.references,
      tags,
      atMs: Date.now(),
    };
    const needed = this.#isSparse(push) ? [] : required.map((reference) => reference.digest);
    const change = causeIn(upstreams, repository, cause);
    const add = (): Promise<PushResult> => index.pushManifest(record, needed, change);
    const { missing, kept } = await tagLocks.run(repository.name, async () => {
      await this.#requireMovable(repository, tags, digest);
      const told = await this.#toldBefore(push, { digest, tags });
      const result = await tellingConflicts(this.#options, { repository: repository.name, cause }, add);
      for (const { tag, atMs } of told) {
        const row = await index.findTag(repository.name, tag);
        if (row?.digest === digest) await index.putTag(repository.name, tag, digest, atMs);
      }
      return result;
    });
    if (missing.length === 0) return kept;
    const isMissing = new Set(missing);
    throw unknownContent(
      repository,
      required.filter((reference) => isMissing.has(reference.digest)),
    );
  }

  /** As of when the upstream has said where the tags of a replica point; of none where that is of now. */
  async #toldBefore(
    { repository, cause }: ManifestPush,
    { digest, tags }: Pick<Checked, 'digest' | 'tags'>,
  ): Promise<{ readonly tag: string; readonly atMs: number }[]> {
    const { index, upstreams } = this.#options;
    const clock = cause.origin?.clock;
    if (!clock || upstreams.isHosted(repository)) return [];
    const { freshness } = upstreams.get(repository.registry).rules.tags(repository);
    const atMs = validatedAt(clock.ms, freshness, Date.now());
    return Promise.all(
      tags.map(async (tag) => {
        const row = await index.findTag(repository.name, tag);
        return { tag, atMs: row?.digest === digest ? Math.max(row.validatedAtMs, atMs) : atMs };
      }),
    );
  }

  #tell({ repository, bytes, cause }: ManifestPush, { digest, tags }: Checked, kept: readonly KeptTag[]): void {
    const { seen, upstreams, telemetry } = this.#options;
    const stayed = new Set(kept.map(({ tag }) => tag));
    const moved = tags.filter((tag) => !stayed.has(tag));
    if (!upstreams.isHosted(repository)) for (const tag of moved) seen.add(repository.name, tag, digest);
    telemetry.manifestPushed({
      repository: repository.name,
      digest,
      tags: moved,
      sizeBytes: bytes.length,
      actor: cause.actor,
      origin: cause.origin?.site,
      keptTags: kept.length === 0 ? undefined : [...stayed],
    });
  }

  /** @throws RegistryError TAG_IMMUTABLE for a tag that points elsewhere and stays there */
  async #requireMovable(repository: Repository, tags: readonly string[], digest: Digest): Promise<void> {
    const { index, rules, upstreams } = this.#options;
    if (!upstreams.isHosted(repository)) return;
    const { isImmutable } = rules.of(repository.name);
    for (const tag of tags.filter(isImmutable)) {
      const target = await tagTarget(index, repository.name, tag);
      if (target === undefined || target === digest) continue;
      const message = `the tag ${tag} of ${repository.name} is immutable, and points at ${target}`;
      throw new RegistryError('TAG_IMMUTABLE', message, { details: [{ tag, digest: target }] });
    }
  }
}

function unknownContent({ name }: Repository, missing: readonly ManifestReference[]): RegistryError {
  const [first] = missing;
  const others = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  const message = `${name} does not have what the manifest names: ${first?.role} ${first?.digest}${others}`;
  const details = missing
    .slice(0, MAX_MISSING)
    .map(({ digest, role, mediaType, sizeBytes }) => ({ digest, role, mediaType, size: sizeBytes }));
  return new RegistryError('MANIFEST_BLOB_UNKNOWN', message, { details });
}
