import { ContentError } from '../../content/content-error.ts';
import type { ContentStore } from '../../content/content-store.ts';
import type { RegistryEvent } from '../../metadata/event-index.ts';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { TagClock } from '../../metadata/replication-index.ts';
import type { Digest } from '../../oci/digest.ts';
import {
  ManifestInvalidError,
  parseManifest,
  type ManifestReference,
  type ParsedManifest,
} from '../../oci/manifest.ts';
import { isForeignLayerType } from '../../oci/media-types.ts';

/** What could be read of a lost index. */
export interface SalvagedNames {
  readonly tags: readonly {
    readonly repository: string;
    readonly tag: string;
    readonly digest: Digest;
    /** When it began to point there; undefined: not known. */
    readonly movedAtMs: number | undefined;
  }[];
  readonly manifests: readonly { readonly repository: string; readonly digest: Digest; readonly mediaType: string }[];
  /** What belonged to each repository. */
  readonly links: ReadonlyMap<string, ReadonlySet<Digest>>;
  /** Nothing else belonged to any. */
  readonly areLinksWhole: boolean;
  readonly pins: readonly string[];
  readonly notes: readonly { readonly key: string; readonly value: string }[];
  /** Which change of each tag was the last, and tags that were deleted. */
  readonly clocks: readonly TagClock[];
  readonly events: readonly RegistryEvent[];
  /** The number of the newest event that was ever written; undefined: not known. */
  readonly lastEvent: number | undefined;
}

/** What was rebuilt, and what could not be. */
export interface ReindexReport {
  readonly blobs: number;
  readonly bytes: number;
  readonly manifests: number;
  readonly repositories: number;
  readonly tags: number;
  readonly pins: number;
  readonly events: number;
  /** Files that are not what their name says; they were put aside. */
  readonly damaged: readonly string[];
  /** Manifests of which no repository is known: they are used again when a client asks for them by name. */
  readonly namelessManifests: number;
  /** Tags whose manifest is not in the store. */
  readonly lostTags: readonly string[];
}

export interface ReindexOptions {
  readonly store: ContentStore;
  /** An empty one. */
  readonly index: MetadataIndex;
  readonly names: SalvagedNames;
  /** May manifests of the repository name content that does not belong to it? */
  readonly isSparse: (repository: string) => boolean;
  /** Hash every file; otherwise only manifests are looked at. */
  readonly verify: boolean;
  /** What is larger is no manifest. */
  readonly manifestLimitBytes: number;
  readonly onProgress: (blobs: number) => void;
}

const FIRST_BYTE_OF_JSON = 0x7b;

/** Builds an index from the files of the store, with whatever names are known. */
export async function reindex(options: ReindexOptions): Promise<ReindexReport> {
  const { store, index, names, verify, onProgress } = options;
  const known = Map.groupBy(names.manifests, ({ digest }) => digest);
  const tags = Map.groupBy(names.tags, placeOf);
  const places = new Set<string>();
  const repositories = new Set<string>();
  const damaged: string[] = [];
  const counted = { blobs: 0, bytes: 0, manifests: 0, namelessManifests: 0 };
  for await (const digest of store.list()) {
    const content = await look(digest, options).catch(unreadable);
    const mayBeManifest = content.bytes !== undefined;
    if (content.isUnreadable || ((verify || mayBeManifest) && (await store.verify(digest)) !== 'intact')) {
      await store.quarantine(digest);
      damaged.push(digest);
      continue;
    }
    const atMs = Date.now();
    // What was not hashed now counts as stored before anything was written to it: it is hashed when it is first served.
    const storedAtMs = verify || mayBeManifest ? atMs : 0;
    await index.putBlob({ digest, sizeBytes: content.sizeBytes, repositories: [], atMs: storedAtMs });
    counted.blobs += 1;
    counted.bytes += content.sizeBytes;
    onProgress(counted.blobs);
    const records = known.get(digest) ?? [];
    if (content.bytes === undefined || !isManifest(content.bytes, records[0]?.mediaType)) continue;
    counted.manifests += 1;
    if (records.length === 0) counted.namelessManifests += 1;
    for (const { repository, mediaType } of records) {
      const manifest = parse(content.bytes, mediaType);
      if (!manifest) continue;
      const { artifactType, references } = manifest;
      const place = placeOf({ repository, digest });
      const former = {
        linked: linkedOf(repository, references, options),
        // Were it long ago, the next retention would remove the tag.
        tags: (tags.get(place) ?? []).map(({ tag, movedAtMs = atMs }) => ({ tag, movedAtMs })),
      };
      const manifestRecord = { repository, digest, mediaType, sizeBytes: content.sizeBytes, artifactType, references };
      await index.putManifest({ ...manifestRecord, tags: [], atMs, former });
      places.add(place);
      repositories.add(repository);
    }
  }
  const lostTags = names.tags.filter((row) => !places.has(placeOf(row)));
  for (const pattern of names.pins) await index.putPin(pattern, Date.now());
  for (const { key, value } of names.notes) await index.writeNote(key, value);
  // Nothing has happened by this. An unknown number is below that of this millisecond: numbers go up more slowly.
  await index.restoreEvents(names.events, names.lastEvent ?? Date.now());
  await index.restoreTagClocks(names.clocks);
  return {
    ...counted,
    repositories: repositories.size,
    tags: names.tags.length - lostTags.length,
    pins: names.pins.length,
    events: names.events.length,
    damaged,
    lostTags: lostTags.map(({ repository, tag }) => `${repository}:${tag}`),
  };
}

function placeOf({ repository, digest }: { repository: string; digest: Digest }): string {
  return `${repository}@${digest}`;
}

/**
 * What of a manifest's content belongs to its repository. Naming another repository's blob must not open it: where links
 * are lost, those count that every manifest of the repository had to have.
 */
function linkedOf(
  repository: string,
  references: readonly ManifestReference[],
  { names, isSparse }: ReindexOptions,
): ReadonlySet<Digest> {
  const known = names.links.get(repository);
  const isAnyLinked = !names.areLinksWhole && !isSparse(repository);
  const linked = references.filter(
    ({ digest, mediaType }) => known?.has(digest) || (isAnyLinked && !isForeignLayerType(mediaType)),
  );
  return new Set(linked.map(({ digest }) => digest));
}

/** A file that the disk cannot read is damaged, and no reason to give up the others. */
function unreadable(error: unknown): Looked {
  if (!(error instanceof ContentError)) throw error;
  return { sizeBytes: 0, bytes: undefined, isUnreadable: true };
}

interface Looked {
  readonly sizeBytes: number;
  readonly bytes: Uint8Array | undefined;
  readonly isUnreadable: boolean;
}

/** The size of a file, and its bytes if it may be a manifest. */
async function look(digest: Digest, { store, manifestLimitBytes }: ReindexOptions): Promise<Looked> {
  await using file = await store.open(digest);
  if (!file) return { sizeBytes: 0, bytes: undefined, isUnreadable: true };
  const { sizeBytes } = file;
  const first = new Uint8Array(1);
  const isJson = (await file.read(first, 0)) === 1 && first[0] === FIRST_BYTE_OF_JSON;
  if (!isJson || sizeBytes > manifestLimitBytes) return { sizeBytes, bytes: undefined, isUnreadable: false };
  const bytes = new Uint8Array(sizeBytes);
  const isWhole = (await file.read(bytes, 0)) === sizeBytes;
  return { sizeBytes, bytes: isWhole ? bytes : undefined, isUnreadable: !isWhole };
}

function isManifest(bytes: Uint8Array, mediaType: string | undefined): boolean {
  return parse(bytes, mediaType) !== undefined;
}

function parse(bytes: Uint8Array, mediaType: string | undefined): ParsedManifest | undefined {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof ManifestInvalidError) return undefined;
    throw error;
  }
}
