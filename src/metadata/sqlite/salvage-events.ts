import { parseDigest } from '../../oci/digest.ts';
import type { RegistryEvent } from '../event-index.ts';
import type { DamagedDatabase } from './damaged-database.ts';
import { registryEvent, type EventColumns } from './event-row.ts';

/** What can be read of an event log. */
export interface SalvagedLog {
  /** In their order. */
  readonly events: readonly RegistryEvent[];
  /** The number of the newest event ever written; undefined: not known. */
  readonly lastEvent: number | undefined;
}

/** Events salvaged at most, the newest: some 300 MB in memory. */
const LIMIT = 500_000;
/** The first version with an event log. */
const VERSION = 3;

const KINDS: ReadonlySet<unknown> = new Set<RegistryEvent['kind']>(['push', 'fill', 'tag', 'untag', 'delete', 'blob']);

/** Reads the event log as far as it goes. */
export function readLog(database: DamagedDatabase): SalvagedLog {
  if (!database.hasColumn('event', 'sequence')) {
    const version = numberOf(database, 'PRAGMA user_version') ?? 0;
    return { events: [], lastEvent: version > 0 && version < VERSION ? 0 : undefined };
  }
  const noted = numberOf(database, "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)");
  const newest = numberOf(database, 'SELECT coalesce(max(sequence), 0) FROM event');
  const lastEvent = noted !== undefined && noted >= (newest ?? 0) ? noted : undefined;
  const greatest = lastEvent ?? Date.now();
  const query = `SELECT * FROM event WHERE sequence > ${(newest ?? greatest) - LIMIT} AND sequence <= ${greatest}`;
  const found = new Map<number, RegistryEvent>();
  for (const row of database.rows<EventColumns>('event', query, ['sequence'])) {
    if (isSound(row)) found.set(row.sequence, registryEvent(row));
  }
  return { events: [...found.values()].toSorted((a, b) => a.sequence - b.sequence), lastEvent };
}

function numberOf(database: DamagedDatabase, query: string): number | undefined {
  const value = database.lookup(query)();
  return isNumber(value) ? value : undefined;
}

/** Not of a damaged page that was taken for a sound one. */
function isSound(row: EventColumns): boolean {
  const texts = [row.tag, row.media_type, row.actor, row.origin_site];
  const numbers = [row.size_bytes, row.origin_sequence];
  return (
    KINDS.has(row.kind) &&
    typeof row.repository === 'string' &&
    isNumber(row.at) &&
    isDigest(row.digest) &&
    (row.previous === null || isDigest(row.previous)) &&
    texts.every((value) => value === null || typeof value === 'string') &&
    numbers.every((value) => value === null || isNumber(value))
  );
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && parseDigest(value) !== undefined;
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
