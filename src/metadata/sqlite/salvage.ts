import type { Digest } from '../../oci/digest.ts';
import { isManifestType } from '../../oci/media-types.ts';
import { isTag } from '../../oci/reference.ts';
import type { TagClock } from '../replication-index.ts';
import { DamagedDatabase } from './damaged-database.ts';
import { readClocks } from './salvage-clocks.ts';
import { readLog, type SalvagedLog } from './salvage-events.ts';
import { Names } from './salvage-names.ts';

/** What a damaged index still tells. None of it is known to be stored: whoever uses it looks at the disk. */
export interface Salvage extends SalvagedLog {
  readonly tags: readonly {
    readonly repository: string;
    readonly tag: string;
    readonly digest: Digest;
    /** 0 if only the rest could be read. */
    readonly validatedAtMs: number;
    /** Undefined if only the rest could be read. */
    readonly movedAtMs: number | undefined;
  }[];
  readonly manifests: readonly {
    readonly repository: string;
    readonly digest: Digest;
    readonly mediaType: string;
    readonly usedAtMs: number;
  }[];
  /** Blobs that were in a repository by themselves: no manifest there lists them. */
  readonly blobs: readonly { readonly repository: string; readonly digest: Digest; readonly usedAtMs: number }[];
  /** All that belonged to each repository: manifests, parts of them, and blobs. */
  readonly links: ReadonlyMap<string, ReadonlySet<Digest>>;
  /** Could all links be read? Then nothing else belonged to any repository. */
  readonly areLinksWhole: boolean;
  readonly pins: readonly { readonly pattern: string; readonly atMs: number }[];
  readonly notes: readonly { readonly key: string; readonly value: string }[];
  readonly clocks: readonly TagClock[];
  /** What could not be read: sentences for the operator. */
  readonly problems: readonly string[];
}

/**
 * Reads what can be read of an index, damaged or intact, of any version. It runs without a break: a few seconds for
 * 200,000 images.
 * @throws MetadataError if there is no such file, or another process has it open
 */
export function salvage(file: string): Salvage {
  using database = new DamagedDatabase(file);
  if (!database.hasColumn('content', 'digest')) {
    const problems = [`${file} is no index, or the list of its tables is damaged: nothing of it can be read`];
    return { ...NOTHING, problems };
  }
  const names = new Names(database);
  const tags = [...readTags(database, names)];
  const { contents, links, areLinksWhole } = readContents(database, names);
  const manifests = contents.filter((row): row is ManifestContent => row.mediaType !== undefined);
  const blobs = contents.filter((row) => row.mediaType === undefined);
  const pins = [...readPins(database)];
  const notes = [...readNotes(database)];
  const clocks = [...readClocks(database)];
  const log = readLog(database);
  if (names.lost > 0) database.problems.push(`${names.lost} rows name repositories or digests that cannot be read`);
  return {
    tags,
    manifests,
    blobs: blobs.map(({ repository, digest, usedAtMs }) => ({ repository, digest, usedAtMs })),
    links,
    areLinksWhole,
    pins,
    notes,
    clocks,
    ...log,
    problems: database.problems,
  };
}

const NOTHING: Salvage = {
  tags: [],
  manifests: [],
  blobs: [],
  links: new Map(),
  areLinksWhole: false,
  pins: [],
  notes: [],
  clocks: [],
  events: [],
  lastEvent: undefined,
  problems: [],
};

/** A longer one is no note, whatever it is. */
const NOTE_LIMIT = 4096;

interface Content {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  readonly usedAtMs: number;
}

type ManifestContent = Content & { readonly mediaType: string };

type TagColumns = Record<'repository_id' | 'name' | 'content_id' | 'validated_at' | 'moved_at', unknown>;

function* readTags(database: DamagedDatabase, names: Names): Generator<Salvage['tags'][number]> {
  for (const row of tagRows(database)) {
    const tag = String(row.name);
    const found = isTag(tag) ? names.of(row) : undefined;
    const movedAtMs = Number(row.moved_at) || undefined;
    if (found) yield { ...found, tag, validatedAtMs: Number(row.validated_at), movedAtMs };
  }
}

/** From the table, and where that is damaged from its index, which does not have all columns. */
function* tagRows(database: DamagedDatabase): Generator<TagColumns> {
  const seen = new Set<string>();
  const isNew = (row: TagColumns) => seen.size < seen.add(`${String(row.repository_id)}:${String(row.name)}`).size;
  const query = (times: string, hint: string) => `SELECT repository_id, name, content_id, ${times} FROM tag ${hint}`;
  const table = query('validated_at, moved_at', 'NOT INDEXED');
  if (yield* filter(database.rows<TagColumns>('tag', table, ['repository_id', 'name']), isNew)) return;
  const index = query('0 AS validated_at, 0 AS moved_at', 'INDEXED BY tag_by_content');
  const first = isTyped(database)
    ? (['repository_id', 'content_id'] as const)
    : (['content_id', 'repository_id'] as const);
  yield* filter(database.rows<TagColumns>('index of tags', index, [...first, 'name']), isNew);
}

interface Key {
  readonly repository_id: number;
  readonly content_id: number;
}

interface Contents extends Pick<Salvage, 'links' | 'areLinksWhole'> {
  /** Manifests of repositories, and what else stands in them by itself. */
  readonly contents: readonly Content[];
}

function readContents(database: DamagedDatabase, names: Names): Contents {
  const where = 'WHERE repository_id = ? AND content_id = ?';
  const usedAt = database.lookup(`SELECT coalesce(used_at, 0) FROM repository_content ${where}`);
  const { mediaType, isPart } = contentLookups(database);
  const contents: Content[] = [];
  const links = new Map<string, Set<Digest>>();
  let areNamed = true;
  const keys = contentKeys(database);
  let next = keys.next();
  for (; !next.done; next = keys.next()) {
    const { repository_id, content_id } = next.value;
    if (repository_id === 0) continue;
    const found = names.of(next.value);
    if (!found) {
      areNamed = false;
      continue;
    }
    const linked = links.get(found.repository) ?? new Set();
    links.set(found.repository, linked.add(found.digest));
    const usedAtMs = usedAt(repository_id, content_id);
    if (typeof usedAtMs !== 'number') {
      names.lost += 1;
      continue;
    }
    const type = mediaType(repository_id, content_id);
    const isManifest = typeof type === 'string' && isManifestType(type);
    if (!isManifest && isPart(repository_id, content_id) !== 0) continue;
    contents.push({ ...found, mediaType: isManifest ? type : undefined, usedAtMs });
  }
  return { contents, links, areLinksWhole: areNamed && next.value };
}

/** By the numbers of a repository and of content in it; they differ between the versions of the index. */
function contentLookups(database: DamagedDatabase) {
  if (isTyped(database)) {
    const where = 'WHERE repository_id = ? AND content_id = ?';
    return {
      mediaType: database.lookup(`SELECT media_type FROM repository_content ${where}`),
      isPart: database.lookup(`SELECT NOT EXISTS (SELECT 1 FROM root ${where})`),
    };
  }
  const typeOf = database.lookup('SELECT media_type FROM manifest WHERE content_id = ?');
  const isListed = database.lookup('SELECT EXISTS (SELECT 1 FROM reference WHERE content_id = ?)');
  return {
    mediaType: (_repositoryId: number, contentId: number) => typeOf(contentId),
    isPart: (_repositoryId: number, contentId: number) => isListed(contentId),
  };
}

/** Which repository has what, from the table, and where that is damaged from its index. @returns whether that is all */
function* contentKeys(database: DamagedDatabase): Generator<Key, boolean> {
  const seen = new Map<number, Set<number>>();
  const isNew = ({ repository_id, content_id }: Key) => {
    const contents = seen.get(repository_id) ?? new Set();
    seen.set(repository_id, contents);
    return contents.size < contents.add(content_id).size;
  };
  const query = (hint: string) => `SELECT repository_id, content_id FROM repository_content ${hint}`;
  const isWhole = yield* filter(
    database.rows<Key>('repository_content', query('NOT INDEXED'), ['repository_id', 'content_id']),
    isNew,
  );
  if (isWhole) return true;
  const index = query('INDEXED BY repository_content_by_content');
  return yield* filter(
    database.rows<Key>('index of repository_content', index, ['content_id', 'repository_id']),
    isNew,
  );
}

/** Since version 2, repositories know the media types of their manifests, and their roots. */
function isTyped(database: DamagedDatabase): boolean {
  return database.hasColumn('repository_content', 'media_type');
}

function* filter<Row>(rows: Generator<Row, boolean>, isWanted: (row: Row) => boolean): Generator<Row, boolean> {
  for (let next = rows.next(); ; next = rows.next()) {
    if (next.done) return next.value;
    if (isWanted(next.value)) yield next.value;
  }
}

function* readPins(database: DamagedDatabase): Generator<{ pattern: string; atMs: number }> {
  if (!database.hasColumn('pin', 'pattern')) return;
  const query = 'SELECT pattern, pinned_at FROM pin';
  for (const row of database.rows<{ pattern: unknown; pinned_at: unknown }>('pin', query, ['pattern'])) {
    yield { pattern: String(row.pattern), atMs: Number(row.pinned_at) };
  }
}

function* readNotes(database: DamagedDatabase): Generator<{ key: string; value: string }> {
  if (!database.hasColumn('note', 'key')) return;
  const query = `SELECT key, value FROM note WHERE length(value) <= ${NOTE_LIMIT}`;
  for (const { key, value } of database.rows<{ key: unknown; value: unknown }>('note', query, ['key'])) {
    yield { key: String(key), value: String(value) };
  }
}
