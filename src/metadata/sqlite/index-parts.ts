import { Blobs } from './blobs.ts';
import { Connection } from './connection.ts';
import { Deletion } from './deletion.ts';
import { Doomed } from './doomed.ts';
import { Events } from './events.ts';
import { Graph } from './graph.ts';
import { Ids } from './ids.ts';
import { JobControl } from './job-control.ts';
import { JobRecords } from './job-records.ts';
import { Jobs } from './jobs.ts';
import { KnownManifests } from './known-manifests.ts';
import { Links } from './links.ts';
import { Listings } from './listings.ts';
import { Manifests } from './manifests.ts';
import { Notes } from './notes.ts';
import { OldestRoots } from './oldest-roots.ts';
import { PushedBlobs } from './pushed-blobs.ts';
import { PushedLists } from './pushed-lists.ts';
import { Removal } from './removal.ts';
import { RootLists } from './root-lists.ts';
import { Roots } from './roots.ts';
import { RowCache } from './row-cache.ts';
import { Sums } from './sums.ts';
import { Sweep } from './sweep.ts';
import { TagChanges } from './tag-changes.ts';
import { TagClocks } from './tag-clocks.ts';
import { TagConflicts } from './tag-conflicts.ts';
import { Tags } from './tags.ts';
import { Unlinking } from './unlinking.ts';
import { Uses } from './uses.ts';

export interface SqliteIndexOptions {
  /** Told of what goes wrong with a flush that nobody asked for. */
  readonly onFlushError: (error: unknown) => void;
  /** How large the write-ahead log may become. */
  readonly logBytes?: number;
  /** This site's name. */
  readonly site?: string;
}

/** What the index consists of. */
export type IndexParts = ReturnType<typeof connectParts>;

const DEFAULT_LOG_BYTES = 16 * 1024 * 1024;
const DEFAULT_SITE = 'site';

/** Opens the database and puts the parts of the index together, at work. @throws MetadataError see {@link Connection} */
export function openParts(file: string, options: SqliteIndexOptions): IndexParts {
  const connection = new Connection(file, options.logBytes ?? DEFAULT_LOG_BYTES);
  try {
    const parts = connectParts(connection, options);
    parts.uses.start();
    return parts;
  } catch (error) {
    connection.database.close();
    throw error;
  }
}

function connectParts(connection: Connection, { onFlushError, site = DEFAULT_SITE }: SqliteIndexOptions) {
  const rows = new RowCache();
  const ids = new Ids(connection);
  const graph = new Graph(connection);
  const roots = new Roots(connection, graph);
  const links = new Links(connection, graph, roots);
  const known = new KnownManifests(connection, ids);
  const events = new Events(connection);
  const clocks = new TagClocks(connection, site);
  const conflicts = new TagConflicts(connection);
  const changes = new TagChanges({ clocks, conflicts, site });
  const tags = new Tags(connection, { ids, roots, known, events, rows, changes });
  const blobs = new Blobs(connection, { ids, links, roots, rows });
  const doomed = new Doomed(connection);
  const unlinking = new Unlinking(connection, { links, blobs, doomed });
  const removal = new Removal(connection, { ids, graph, roots, tags, unlinking, rows });
  const deletion = new Deletion(connection, { ids, graph, roots, tags, known, events, unlinking, rows });
  const manifests = new Manifests(connection, { ids, links, roots, blobs, tags, known, events, rows });
  const pushedBlobs = new PushedBlobs(connection, { ids, links, roots, blobs, events });
  const listings = new Listings(connection, ids);
  const notes = new Notes(connection);
  const sums = new Sums(connection);
  const sweep = new Sweep(connection, clocks);
  const uses = new Uses(connection, { roots, onFlushError });
  const lists = new RootLists(connection, { ids, graph, roots, tags, uses });
  const oldest = new OldestRoots(connection, { graph, roots, lists, uses });
  const pushedLists = new PushedLists(connection, { ids, graph, uses });
  const records = new JobRecords(connection);
  const jobs = new Jobs(connection, records);
  const jobControl = new JobControl(connection, jobs);
  return {
    connection,
    tags,
    manifests,
    blobs,
    listings,
    uses,
    lists,
    oldest,
    removal,
    doomed,
    sums,
    sweep,
    notes,
    pushedBlobs,
    pushedLists,
    deletion,
    events,
    clocks,
    conflicts,
    jobs,
    jobControl,
    records,
  };
}
