import { setImmediate as nextTurn } from 'node:timers/promises';
import { ContentError } from '../../content/content-error.ts';
import type { ContentStore } from '../../content/content-store.ts';
import type { Cause, MetadataIndex } from '../../metadata/metadata-index.ts';
import { digestOf, matchesDigest, type Digest } from '../../oci/digest.ts';
import {
  ManifestInvalidError,
  type ManifestReference,
  parseManifest,
  type ParsedManifest,
} from '../../oci/manifest.ts';
import { isSchema1Type, mediaTypeOf } from '../../oci/media-types.ts';
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
import { requiredContent } from './required-content.ts';
import { tagTarget } from './look-up.ts';
import { noRoom, reserveRoom } from './upload-room.ts';

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

  /** Bytes are kept exactly; tags point at it as soon as this returns. */
  async put(push: ManifestPush): Promise<PushedManifest> {
    try {
      const digest = requireDigest(push);
      const manifest = parsePushed(push);
      const required = requiredContent(manifest);
      const missing = await this.#look(push.repository, required);
      if (missing.length > 0 && !this.#isSparse(push.repository)) throw unknownContent(push.repository, missing);
      await this.#store(push, digest, manifest, required);
      const subject = manifest.references.find(({ role }) => role === 'subject')?.digest;
      return { digest, subject };
    } catch (error) {
      if (error instanceof ContentError && error.code === 'STORE_FULL') throw noRoom('disk', error);
      throw toRegistryError(error, 'MANIFEST_UNKNOWN');
    }
  }

  /** A replica may be a part of what its origin has, and a rule may allow the same of what is pushed. */
  #isSparse(repository: Repository): boolean {
    const { upstreams, rules } = this.#options;
    return !upstreams.isHosted(repository) || rules.of(repository.name).isSparse;
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

  /** Bytes first, then one transaction, and nobody removes the digest meanwhile. */
  async #store(
    push: ManifestPush,
    digest: Digest,
    manifest: ParsedManifest,
    required: readonly ManifestReference[],
  ): Promise<void> {
    const { store, index, budget, locks, lost, hot, seen, upstreams, telemetry } = this.#options;
    const { repository, bytes, cause } = push;
    const tags = push.reference.kind === 'tag' ? [push.reference.tag, ...push.tags] : push.tags;
    await this.#requireMovable(repository, tags, digest);
    const reservation = await reserveRoom(budget, repository.registry, bytes.length);
    try {
      await locks.run(digest, async () => {
        const wasStored = (await index.findBlob('', digest)).isStored;
        await store.put(digest, bytes);
        try {
          await this.#note(push, { digest, manifest, required, tags });
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
    if (!upstreams.isHosted(repository)) for (const tag of tags) seen.add(repository.name, tag, digest);
    telemetry.manifestPushed({
      repository: repository.name,
      digest,
      tags,
      sizeBytes: bytes.length,
      actor: cause.actor,
    });
  }

  async #note(
    push: ManifestPush,
    {
      digest,
      manifest,
      required,
      tags,
    }: {
      digest: Digest;
      manifest: ParsedManifest;
      required: readonly ManifestReference[];
      tags: readonly string[];
    },
  ): Promise<void> {
    const { index, tagLocks } = this.#options;
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
    const needed = this.#isSparse(repository) ? [] : required.map((reference) => reference.digest);
    const missing = await tagLocks.run(repository.name, async () => {
      await this.#requireMovable(repository, tags, digest);
      return index.pushManifest(record, needed, cause);
    });
    if (missing.length === 0) return;
    const isMissing = new Set(missing);
    throw unknownContent(
      repository,
      required.filter((reference) => isMissing.has(reference.digest)),
    );
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

/** @throws RegistryError DIGEST_INVALID */
function requireDigest({ reference, bytes }: ManifestPush): Digest {
  if (reference.kind === 'tag') return digestOf(bytes);
  if (matchesDigest(bytes, reference.digest)) return reference.digest;
  throw new RegistryError('DIGEST_INVALID', `the manifest that was pushed is not ${reference.digest}`);
}

/** Stricter than with upstreams: who pushes can be told what is wrong. @throws RegistryError MANIFEST_INVALID */
function parsePushed({ bytes, contentType }: ManifestPush): ParsedManifest {
  const sentAs = mediaTypeOf(contentType);
  let manifest: ParsedManifest;
  try {
    manifest = parseManifest(bytes, contentType);
  } catch (cause) {
    if (!(cause instanceof ManifestInvalidError)) throw cause;
    throw new RegistryError('MANIFEST_INVALID', cause.message, { cause });
  }
  if (sentAs !== '' && sentAs !== manifest.mediaType) {
    const message = `the manifest is a ${manifest.mediaType} but was sent with Content-Type: ${sentAs}`;
    throw new RegistryError('MANIFEST_INVALID', message);
  }
  if (isSchema1Type(manifest.mediaType)) {
    throw new RegistryError('MANIFEST_INVALID', 'manifests of schema 1 are not taken: their digest is of other bytes');
  }
  return manifest;
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
