import type { Digest } from '../oci/digest.ts';
import type { ManifestReference } from '../oci/manifest.ts';
import type { Cause, EventIndex } from './event-index.ts';
import type { JobControlIndex, JobIndex, TagClockIndex } from './replication-index.ts';

/** A manifest as the index knows it. */
export interface ManifestRow {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** When its bytes came into the store, in ms since the epoch. */
  readonly storedAtMs: number;
}

/** What a tag points at, and when an upstream last said so. */
export interface TagRow extends ManifestRow {
  readonly validatedAtMs: number;
}

/** Everything that becomes true at once when a manifest is stored. */
export interface ManifestRecord {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly artifactType: string | undefined;
  readonly references: readonly ManifestReference[];
  /** Tags that point at it from now on. */
  readonly tags: readonly string[];
  readonly atMs: number;
  /** For an index that is built anew: what only the old one knew. */
  readonly former?: FormerManifest;
}

/** What is not in a manifest's bytes, and was true of it in an older index. */
interface FormerManifest {
  /** What belonged to the repository: of its config and layers, these do again, and no others. */
  readonly linked: ReadonlySet<Digest>;
  /** Tags that pointed at it since then. They do again, and nobody has confirmed them. */
  readonly tags: readonly { readonly tag: string; readonly movedAtMs: number }[];
}

/** Manifests and tags. A repository is named in full, as in `docker.io/library/nginx`. */
interface ManifestIndex {
  /** What the tag points at, if those bytes are in the store. */
  findTag(repository: string, tag: string): Promise<TagRow | undefined>;
  /** A manifest that is in the store and belongs to the repository. */
  findManifest(repository: string, digest: Digest): Promise<ManifestRow | undefined>;
  /** One transaction: the bytes, what they refer to, that they and the blobs belong to the repository, the tags. */
  putManifest(record: ManifestRecord): Promise<void>;
  /** The tag was confirmed, or moved, to a manifest of the repository. @throws MetadataError NO_MANIFEST if it is none */
  putTag(repository: string, tag: string, digest: Digest, atMs: number): Promise<void>;
  /**
   * An upstream has no such tag any more; what it pointed at stays, as a root of its own. That is no deletion of this site.
   * False if there was no such tag.
   */
  dropTag(repository: string, tag: string): Promise<boolean>;
  /** Names of the repository's tags in byte order. */
  listTags(repository: string): Promise<string[]>;
  /** Names of repositories that hold a manifest, in byte order, those after `after` first. */
  listRepositories(page: { prefix?: string; after?: string; limit: number }): Promise<string[]>;
}

/** What the index knows of a digest, seen from one repository. */
export interface BlobRow {
  /** Its bytes are in the store. */
  readonly isStored: boolean;
  /** It was seen in this repository: named by a manifest, or confirmed by the upstream. */
  readonly belongs: boolean;
  /** From the store or from a descriptor that names it. */
  readonly sizeBytes: number | undefined;
  readonly storedAtMs: number | undefined;
}

/** Blobs; a manifest's bytes are a blob too. */
export interface BlobIndex {
  findBlob(repository: string, digest: Digest): Promise<BlobRow>;
  /**
   * Its bytes are in the store now and belong to these repositories. Of no repository: it is kept as a root of the
   * repository `''` until a real one has it. It is doomed no more.
   */
  putBlob(blob: { digest: Digest; sizeBytes: number; repositories: readonly string[]; atMs: number }): Promise<void>;
  /** The upstream confirmed that the blob is in this repository. */
  linkBlob(repository: string, digest: Digest): Promise<void>;
  /** Their bytes are gone from the store, against our will. What referred to them stays. */
  removeBlobs(digests: readonly Digest[]): Promise<void>;
  /** Stored digests after the given one, in order: for comparing index and disk in batches. */
  listBlobs(after: string, limit: number): Promise<{ digest: Digest; sizeBytes: number }[]>;
}

/** Answers of listing endpoints, kept so that they can be given when the upstream is away. */
interface ListingIndex {
  findListing(repository: string, key: string): Promise<{ body: Uint8Array; validatedAtMs: number } | undefined>;
  /**
   * Keeps a list, if the repository holds something, and for a list about one digest if it holds that: what strangers ask
   * for must not fill the index. @returns whether it was kept
   */
  putListing(listing: {
    repository: string;
    key: string;
    about?: Digest;
    body: Uint8Array;
    atMs: number;
  }): Promise<boolean>;
}

/** One pull of something. */
export interface Use {
  readonly repository: string;
  readonly digest: Digest;
  readonly atMs: number;
}

/** Last use, which decides what is evicted first. */
interface UseIndex {
  /** Notes a use; written later, together with others. */
  noteUse(use: Use): void;
  /** Writes what was noted. */
  flushUses(): Promise<void>;
}

/**
 * What stands in a repository by itself, and therefore goes as a whole: an image (a manifest that has a tag, or that no
 * other manifest of the repository lists), or a blob that no manifest of the repository refers to. Everything else in a
 * repository is part of a root. A manifest with a subject is part of its subject, if the repository has that.
 */
export interface Root {
  readonly repository: string;
  readonly digest: Digest;
  /** Tags of the repository that point at it, in byte order. */
  readonly tags: readonly string[];
  readonly isManifest: boolean;
  /**
   * When it or a part of it was last pulled. A pull of a part that several roots of the repository have counts for the
   * one of them that was pulled last.
   */
  readonly usedAtMs: number;
  /** Stored bytes of it and all its parts, shared ones included. */
  readonly sizeBytes: number;
  /** The same as the disk counts it, in blocks of 4096 bytes. */
  readonly diskBytes: number;
}

/** Content whose last root went: it is no longer in the index, but its bytes are still in the store. */
export interface DoomedContent {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** The content of repositories as whole images. */
export interface RootIndex {
  /** Those that were not used for the longest time, oldest first, without those that are set aside. */
  oldestRoots(query: { registry?: string; limit: number }): Promise<Root[]>;
  /** Sets roots aside: {@link oldestRoots} passes them over until {@link clearSetAside}, or until one of their tags moves. */
  setAside(roots: readonly { repository: string; digest: Digest }[]): Promise<void>;
  clearSetAside(): Promise<void>;
  /**
   * In one transaction: the roots with their tags go from their repositories; parts go with them unless another root of
   * the repository has them; what no repository has any more is doomed. Unknown ones are passed over. A manifest whose
   * subject is a blob that goes stays, as a root of its own.
   * @returns what became doomed by this
   */
  dropRoots(roots: readonly { repository: string; digest: Digest }[]): Promise<DoomedContent[]>;
  /** What {@link dropRoots} would doom; nothing is changed. It holds up everything else: for a few hundred roots at most. */
  previewDrop(roots: readonly { repository: string; digest: Digest }[]): Promise<DoomedContent[]>;
  /** In byte order of repository and digest, those after `after`. @param query.repository this one only */
  listRoots(query: {
    repository?: string;
    registry?: string;
    after?: { repository: string; digest: string };
    limit: number;
  }): Promise<Root[]>;
  /** The root of the repository that has the content, stored or not, and was pulled last. */
  latestRootOf(repository: string, digest: Digest): Promise<Digest | undefined>;
  /**
   * Roots of the repository that have the content, stored or not: itself, if it is one, then those above it, the nearest
   * first. Not all of them, if there are more than `limit`, or some hundreds of manifests above it.
   */
  rootsAbove(repository: string, digest: Digest, limit: number): Promise<Digest[]>;
  /** A root's stored content, itself included, each digest once. */
  contentOf(root: { repository: string; digest: Digest }): Promise<{ digest: Digest; sizeBytes: number }[]>;
}

/** Content that is to leave the store. */
export interface DoomedIndex {
  /** Content that is doomed and not yet settled, in no order. */
  listDoomed(limit: number): Promise<DoomedContent[]>;
  /** Is its removal still wanted? Not if it was stored anew. */
  isDoomed(digest: Digest): Promise<boolean>;
  /** Its bytes are gone from the store. */
  settleDoomed(digests: readonly Digest[]): Promise<void>;
}

/** What the store takes up. */
export interface Usage {
  readonly blobs: number;
  /** Content as the disk counts it, in blocks of 4096 bytes, doomed content included. */
  readonly diskBytes: number;
  /** The same by registry (`docker.io`), without doomed content; what two registries share counts for both. */
  readonly diskBytesByRegistry: ReadonlyMap<string, number>;
  /** The index itself, its write-ahead log at its largest. */
  readonly indexBytes: number;
  /** What of that is not on the disk yet. */
  readonly indexUnwrittenBytes: number;
}

/** Repositories with what they hold. */
export interface RepositorySummary {
  readonly repository: string;
  readonly tags: number;
  readonly roots: number;
  /** Stored bytes, each digest once. */
  readonly sizeBytes: number;
  readonly usedAtMs: number | undefined;
}

/** Looking at the index, and looking after it. */
export interface UpkeepIndex {
  usage(): Promise<Usage>;
  summarize(page: { prefix?: string; after?: string; limit: number }): Promise<RepositorySummary[]>;
  /** Repositories that have the content, and whether it is a manifest there; at most so many. */
  repositoriesOf(digest: Digest, limit: number): Promise<{ repository: string; isManifest: boolean }[]>;
  /** Removes rows that nothing needs any more, so many at most. @returns how many there were: fewer than `limit` is all */
  sweep(limit: number): Promise<number>;
  /** Writes a consistent copy to a new file while the index goes on to be used. @throws MetadataError */
  backup(file: string): Promise<void>;
}

/** Small things that have to survive a restart. */
export interface NoteIndex {
  readNote(key: string): Promise<string | undefined>;
  /** Undefined removes it. */
  writeNote(key: string, value: string | undefined): Promise<void>;
  /** Patterns of images that operators pinned, in byte order. */
  listPins(): Promise<{ pattern: string; atMs: number }[]>;
  putPin(pattern: string, atMs: number): Promise<void>;
  /** False if there is no such pin. */
  removePin(pattern: string): Promise<boolean>;
}

/** A tag that did not move, because what it points at was set later than what arrived. */
export interface KeptTag {
  readonly tag: string;
  /** What it points at; undefined: it was deleted later. */
  readonly digest: Digest | undefined;
}

/** What became of a push. */
export interface PushResult {
  /** What of the required content is not there: then nothing was done. */
  readonly missing: readonly Digest[];
  readonly kept: readonly KeptTag[];
}

/** What went with a manifest that was deleted. */
export interface ManifestDeletion {
  /** Tags that pointed at it, in byte order. */
  readonly tags: readonly string[];
  /** The manifest, then those that went with it. None: it stays for a tag that was set later than the deletion that arrived, or for what lists it. */
  readonly manifests: readonly Digest[];
  /** What no repository has any more. */
  readonly doomed: readonly DoomedContent[];
}

/** What became of a blob that was to be deleted. `listed`: a manifest of the repository needs it, and it stays. */
export interface BlobDeletion {
  readonly outcome: 'deleted' | 'listed' | 'unknown';
  /** What no repository has any more. */
  readonly doomed: readonly DoomedContent[];
}

/** Changes by clients that push. Each is one transaction with its events. */
interface PushIndex {
  /**
   * Like {@link ManifestIndex.putManifest}, if all of `required` is stored and belongs to the repository; what the record
   * lists as a manifest must be one there. What arrives by replication and is here already is no event.
   */
  pushManifest(record: ManifestRecord, required: readonly Digest[], cause: Cause): Promise<PushResult>;
  /** A blob's bytes are in the store now, by a push to this repository. A loose one counts as used at that time. */
  pushBlob(blob: { repository: string; digest: Digest; sizeBytes: number; atMs: number }, cause: Cause): Promise<void>;
  /**
   * Makes a stored blob part of this repository. @param blob.from a repository that has it; undefined: any
   * @returns false if it is not stored, or not there
   */
  mountBlob(
    blob: { repository: string; digest: Digest; from: string | undefined; atMs: number },
    cause: Cause,
  ): Promise<boolean>;
  /**
   * The tag goes; what it pointed at stays. `kept`: it was set later than the deletion that arrived. A deletion that arrives
   * is remembered even where the tag is unknown.
   */
  deleteTag(repository: string, tag: string, cause: Cause): Promise<'deleted' | 'unknown' | 'kept'>;
  /**
   * A manifest leaves its repository with its tags, even if an index still lists it. With it go the manifests below it
   * (listed by it, or referrers) that have no tag and that nothing else there has; blobs stay, loose, as if used now.
   * A deletion that arrives leaves tags that were set later, and what a manifest there lists: then the manifest stays.
   * @returns undefined if there was none
   */
  deleteManifest(repository: string, digest: Digest, cause: Cause): Promise<ManifestDeletion | undefined>;
  /** A blob leaves the repository, unless a manifest there lists it, or it is one. */
  deleteBlob(repository: string, digest: Digest): Promise<BlobDeletion>;
}

/** What clients that push look up. */
export interface PushedIndex {
  /** Stored manifests of the repository whose subject it is, in byte order of digests, those after `after`. */
  listReferrers(query: { repository: string; subject: Digest; after?: string; limit: number }): Promise<ManifestRow[]>;
  /** Tags of the repository in byte order, those after `after` and before `before`. */
  listTagRows(query: { repository: string; after?: string; before?: string; limit: number }): Promise<TagTarget[]>;
}

/** What a tag points at. */
export interface TagTarget {
  readonly tag: string;
  readonly digest: Digest;
  /** When it began to point there. */
  readonly movedAtMs: number;
  /** When that manifest, or one that it lists, was last pulled; undefined: not yet. */
  readonly usedAtMs: number | undefined;
}

/** The index of what the store holds, and of what belongs where. Errors are {@link MetadataError}. */
export interface MetadataIndex
  extends ManifestIndex,
    BlobIndex,
    ListingIndex,
    UseIndex,
    RootIndex,
    DoomedIndex,
    UpkeepIndex,
    NoteIndex,
    PushIndex,
    PushedIndex,
    EventIndex,
    TagClockIndex,
    JobIndex,
    JobControlIndex,
    AsyncDisposable {}
