import type { Digest } from '../oci/digest.ts';
import type { ManifestReference } from '../oci/manifest.ts';

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
}

/** Manifests and tags. A repository is named in full, as in `docker.io/library/nginx`. */
interface ManifestIndex {
  /** What the tag points at, if those bytes are in the store. */
  findTag(repository: string, tag: string): Promise<TagRow | undefined>;
  /** A manifest that is in the store and belongs to the repository. */
  findManifest(repository: string, digest: Digest): Promise<ManifestRow | undefined>;
  /** One transaction: the bytes, what they refer to, that they and the blobs belong to the repository, the tags. */
  putManifest(record: ManifestRecord): Promise<void>;
  /** The tag was confirmed, or moved, to a manifest that is stored and belongs to the repository. */
  putTag(repository: string, tag: string, digest: Digest, atMs: number): Promise<void>;
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
  /** Its bytes are in the store now and belong to these repositories. */
  putBlob(blob: { digest: Digest; sizeBytes: number; repositories: readonly string[]; atMs: number }): Promise<void>;
  /** The upstream confirmed that the blob is in this repository. */
  linkBlob(repository: string, digest: Digest): Promise<void>;
  /** Its bytes are gone from the store. What referred to it stays. */
  removeBlob(digest: Digest): Promise<void>;
  /** Stored digests after the given one, in order: for comparing index and disk in batches. */
  listBlobs(after: string, limit: number): Promise<{ digest: Digest; sizeBytes: number }[]>;
  /** How much is stored. */
  countBlobs(): Promise<{ blobs: number; sizeBytes: number }>;
}

/** Answers of listing endpoints, kept so that they can be given when the upstream is away. */
interface ListingIndex {
  findListing(repository: string, key: string): Promise<{ body: Uint8Array; validatedAtMs: number } | undefined>;
  putListing(repository: string, key: string, body: Uint8Array, atMs: number): Promise<void>;
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

/** The index of what the store holds, and of what belongs where. Errors are {@link MetadataError}. */
export interface MetadataIndex extends ManifestIndex, BlobIndex, ListingIndex, UseIndex, AsyncDisposable {}
