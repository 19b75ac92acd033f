import { parseDigest, type Digest } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import type { TagClock } from '../replication-index.ts';
import type { DamagedDatabase } from './damaged-database.ts';

type ClockColumns = Record<
  'repository' | 'tag' | 'digest' | 'site' | 'sequence' | 'ms' | 'count' | 'base' | 'deleted_at',
  unknown
>;

const QUERY = `
  SELECT repository, tag, digest, site, sequence, ms, count, base, deleted_at FROM tag_clock NOT INDEXED`;

/**
 * Reads which change of each tag was the last, and tombstones, as far as it goes. A tag whose clock is lost counts as set
 * by this site when it was moved.
 */
export function* readClocks(database: DamagedDatabase): Generator<TagClock> {
  if (!database.hasColumn('tag_clock', 'tag')) return;
  for (const row of database.rows<ClockColumns>('tag_clock', QUERY, ['repository', 'tag'])) {
    const clock = clockOf(row);
    if (clock) yield clock;
  }
}

/** Undefined: it is of a damaged page that was taken for a sound one. */
function clockOf(row: ClockColumns): TagClock | undefined {
  const { repository, tag, site, sequence, ms, count, deleted_at: deletedAtMs } = row;
  if (typeof repository !== 'string' || typeof tag !== 'string' || !isTag(tag) || typeof site !== 'string') {
    return undefined;
  }
  if (!isNumber(sequence) || !isNumber(ms) || !isNumber(count)) return undefined;
  if (deletedAtMs !== null && !isNumber(deletedAtMs)) return undefined;
  const [digest, base] = [digestOf(row.digest), digestOf(row.base)];
  if (digest === null || base === null) return undefined;
  return { repository, tag, digest, site, sequence, clock: { ms, count }, base, deletedAtMs: deletedAtMs ?? undefined };
}

/** Undefined: there is none; null: it is damaged. */
function digestOf(value: unknown): Digest | undefined | null {
  if (value === null) return undefined;
  return (typeof value === 'string' && parseDigest(value)) || null;
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
