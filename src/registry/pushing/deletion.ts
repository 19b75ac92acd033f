import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Cause } from '../../metadata/event-index.ts';
import type { DoomedContent, KeptTag, MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { isIndexType } from '../../oci/media-types.ts';
import type { Repository } from '../../oci/repository.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import type { HotManifests } from '../hot-manifests.ts';
import { RegistryError, toRegistryError } from '../registry-error.ts';
import type { SeenTags } from '../seen-tags.ts';
import type { Removal } from '../space/removal.ts';
import type { Upstreams } from '../upstreams.ts';
import type { HostedRules } from './hosted-rules.ts';
import { causeIn } from './cause-in.ts';
import { findRoot, tagTarget } from './look-up.ts';
import { tellingConflicts } from './telling-conflicts.ts';

export interface DeletionOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly rules: HostedRules;
  readonly removal: Removal;
  readonly hot: HotManifests;
  readonly seen: SeenTags;
  /** One at a time for each repository: changes of its tags. */
  readonly tagLocks: KeyedLock;
  readonly telemetry: Telemetry;
}

/** What a deletion that arrived from another site did not take. */
export type Kept = Pick<KeptTag, 'digest'>;

const PAGE = 200;
/** In the event log. */
const BY_RETENTION: Cause = { actor: 'retention' };

/** Deleting what was pushed (distribution-spec, "Content Management"): done when it returns. All errors are RegistryErrors. */
export class Deletion {
  readonly #options: DeletionOptions;

  constructor(options: DeletionOptions) {
    this.#options = options;
  }

  /**
   * What the tag points at stays.
   * @returns what stays itself: a tag that was set later than it was deleted at the site where the deletion comes from
   */
  async tag(repository: Repository, tag: string, cause: Cause): Promise<Kept | undefined> {
    let kept: Kept | undefined;
    await this.#delete(repository, tag, cause, async () => {
      const { index, seen, upstreams } = this.#options;
      const { name } = repository;
      if (this.#isImmutable(repository)?.(tag) && (await tagTarget(index, name, tag)) !== undefined) {
        throw new RegistryError('TAG_IMMUTABLE', `the tag ${tag} of ${name} is immutable`, { details: [{ tag }] });
      }
      const outcome = await index.deleteTag(name, tag, causeIn(upstreams, repository, cause));
      if (outcome === 'unknown') throw unknownManifest(repository, tag);
      if (outcome === 'kept') {
        kept = { digest: await tagTarget(index, name, tag) };
        return undefined;
      }
      seen.forget(name, tag);
      return [];
    });
    return kept;
  }

  /**
   * It goes with its tags, even where an index lists it.
   * @returns what stays, with tags that were set later than it was deleted at the site where the deletion comes from
   */
  async manifest(repository: Repository, digest: Digest, cause: Cause): Promise<Kept | undefined> {
    let kept: Kept | undefined;
    await this.#delete(repository, digest, cause, async () => {
      const { index, hot, seen, upstreams } = this.#options;
      await this.#requireMutable(repository, digest);
      const gone = await index.deleteManifest(repository.name, digest, causeIn(upstreams, repository, cause));
      if (!gone) throw unknownManifest(repository, digest);
      for (const tag of gone.tags) seen.forget(repository.name, tag);
      for (const manifest of gone.manifests) hot.forget(manifest);
      if (gone.manifests.length > 0) return gone.doomed;
      kept = { digest };
      return undefined;
    });
    return kept;
  }

  /** Not while a manifest of the repository lists it. */
  async blob(repository: Repository, digest: Digest, cause: Cause): Promise<void> {
    await this.#delete(repository, digest, cause, async () => {
      const { outcome, doomed } = await this.#options.index.deleteBlob(repository.name, digest);
      if (outcome === 'unknown') throw new RegistryError('BLOB_UNKNOWN', `${repository.name} has no blob ${digest}`);
      if (outcome === 'listed') {
        const message = `a manifest of ${repository.name} needs ${digest}: delete the manifest first`;
        throw new RegistryError('CONTENT_IN_USE', message);
      }
      return doomed;
    });
  }

  /** Retention: the tag goes, unless it is immutable or points elsewhere by now. @param repository its name in full */
  async expireTag(repository: string, tag: string, digest: Digest): Promise<boolean> {
    const { index, rules, tagLocks, telemetry } = this.#options;
    const isGone = await tagLocks.run(repository, async () => {
      if (rules.of(repository).isImmutable(tag)) return false;
      if ((await tagTarget(index, repository, tag)) !== digest) return false;
      return (await index.deleteTag(repository, tag, BY_RETENTION)) === 'deleted';
    });
    if (isGone) telemetry.contentExpired({ repository, tag, digest });
    return isGone;
  }

  /** Retention: an image goes, unless it has a tag or is part of another by now. @param repository its name in full */
  async expireManifest(repository: string, digest: Digest): Promise<boolean> {
    const { index, hot, tagLocks, telemetry } = this.#options;
    const gone = await tagLocks.run(repository, async () => {
      const root = await findRoot(index, repository, digest);
      return root && root.tags.length === 0 ? index.deleteManifest(repository, digest, BY_RETENTION) : undefined;
    });
    if (!gone) return false;
    for (const manifest of gone.manifests) hot.forget(manifest);
    telemetry.contentExpired({ repository, tag: undefined, digest });
    await this.#settle(gone.doomed);
    return true;
  }

  /** @param act returns what became doomed; undefined: nothing was deleted */
  async #delete(
    repository: Repository,
    reference: string,
    cause: Cause,
    act: () => Promise<readonly DoomedContent[] | undefined>,
  ): Promise<void> {
    const { upstreams, rules, tagLocks, telemetry } = this.#options;
    if (upstreams.isHosted(repository) && !rules.of(repository.name).allowsDeletes) {
      throw new RegistryError('DELETES_OFF', `nothing may be deleted in ${repository.name}`);
    }
    try {
      const { name } = repository;
      const doomed = await tagLocks.run(name, () => tellingConflicts(this.#options, { repository: name, cause }, act));
      if (!doomed) return;
      telemetry.contentDeleted({ repository: name, reference, actor: cause.actor, origin: cause.origin?.site });
      await this.#settle(doomed);
    } catch (error) {
      throw toRegistryError(error, 'MANIFEST_UNKNOWN');
    }
  }

  /** It is deleted already: files that cannot be removed now are noted, and removed later. */
  async #settle(doomed: readonly DoomedContent[]): Promise<void> {
    const { removal, telemetry } = this.#options;
    if (doomed.length === 0) return;
    await removal.settle(doomed, 'deleted').catch((error: unknown) => {
      telemetry.log.error(describeError(error), 'files of deleted content were not removed');
    });
  }

  #isImmutable(repository: Repository): ((tag: string) => boolean) | undefined {
    const { upstreams, rules } = this.#options;
    const rule = rules.of(repository.name);
    return upstreams.isHosted(repository) && rule.hasImmutable ? rule.isImmutable : undefined;
  }

  /** @throws RegistryError TAG_IMMUTABLE when an immutable tag points at the manifest, or at an index that has it */
  async #requireMutable(repository: Repository, digest: Digest): Promise<void> {
    const isImmutable = this.#isImmutable(repository);
    if (!isImmutable) return;
    const { index } = this.#options;
    const { name } = repository;
    const root = await findRoot(index, name, digest);
    // What stands by itself and has no tag is part of nothing: that is what most deletions are about.
    if (root?.tags.length === 0) return;
    const refuse = (tag: string) => {
      const message = `the tag ${tag} of ${name} is immutable, and needs ${digest}`;
      return new RegistryError('TAG_IMMUTABLE', message, { details: [{ tag, digest }] });
    };
    const own = root?.tags.find(isImmutable);
    if (own !== undefined) throw refuse(own);
    const known = new Set<Digest>();
    let after = '';
    for (;;) {
      const rows = await index.listTagRows({ repository: name, after, limit: PAGE });
      for (const { tag, digest: target } of rows) {
        if (isImmutable(tag) && (await this.#has(repository, target, digest, known))) throw refuse(tag);
      }
      const last = rows.at(-1);
      if (!last) return;
      after = last.tag;
      await nextTurn();
    }
  }

  /** Is it the manifest, or an index that lists it, itself or further down? @param known those that are not */
  async #has(repository: Repository, top: Digest, wanted: Digest, known: Set<Digest>): Promise<boolean> {
    if (top === wanted) return true;
    if (known.has(top)) return false;
    known.add(top);
    const row = await this.#options.index.findManifest(repository.name, top);
    if (!row || !isIndexType(row.mediaType)) return false;
    const bytes = await this.#options.hot.get(top, row.sizeBytes);
    if (!bytes) return false;
    for (const { role, digest } of parseManifest(bytes, row.mediaType).references) {
      if (role === 'manifest' && (await this.#has(repository, digest, wanted, known))) return true;
    }
    return false;
  }
}

function unknownManifest({ name }: Repository, reference: string): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `${name} has no manifest ${reference}`);
}
