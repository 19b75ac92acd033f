import { rm } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.ts';
import type { Interval } from '../../util/interval-set.ts';
import { diskBytes, fileStats } from './file-stats.ts';
import type { Layout } from './layout.ts';
import { type Ledger, readLedger } from './ledger.ts';

/** What an ingest has left behind, and can be gone on with. */
export interface Pieces {
  readonly ledger: Ledger;
  /** At least one. */
  readonly have: readonly Interval[];
  /** What they take on the disk, with their ledger. */
  readonly sizeBytes: number;
  /** When one last came, in ms since the epoch. */
  readonly atMs: number;
}

/** Undefined when there is nothing that can be trusted. @throws errors of the file system */
export async function findPieces(layout: Layout, digest: Digest): Promise<Pieces | undefined> {
  const ledger = await readLedger(layout.ledger(digest));
  const [part, log] = await Promise.all([fileStats(layout.part(digest)), fileStats(layout.ledger(digest))]);
  if (!ledger || !part || !log) return undefined;
  const have = ledger.have.filter(([, end]) => end <= part.size);
  if (have.length === 0) return undefined;
  return {
    ledger,
    have,
    sizeBytes: diskBytes(part) + diskBytes(log),
    atMs: Math.floor(Math.max(part.mtimeMs, log.mtimeMs)),
  };
}

/** Throws away what an ingest has left behind. @throws errors of the file system */
export async function removePieces(layout: Layout, digest: Digest): Promise<void> {
  // The ledger first: alone it would speak of bytes that the next file of that name does not have.
  for (const path of [layout.ledger(digest), layout.part(digest)]) await rm(path, { recursive: true, force: true });
}
