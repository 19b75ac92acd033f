import type { Digest } from '../../oci/digest.ts';
import { isShortage, toContentError } from '../content-error.ts';
import type { InterruptedIngest } from '../content-store.ts';
import type { Holds } from './holds.ts';
import { ingestDigest, type Layout } from './layout.ts';
import { namesIn } from './names-in.ts';
import { findPieces, type Pieces, removePieces } from './pieces.ts';

/** Ingests that were left unfinished; clears away what none can go on with. @throws ContentError */
export async function findInterrupted(layout: Layout, holds: Holds<Digest>): Promise<InterruptedIngest[]> {
  const found: InterruptedIngest[] = [];
  const names = await namesIn(layout.ingests, 'any');
  for (const digest of new Set(names.flatMap((name) => ingestDigest(name) ?? []))) {
    // Nobody begins with pieces while they are judged.
    const hold = holds.takeBriefly(digest);
    if (!hold) continue;
    try {
      const pieces = await findOrClear(layout, digest);
      if (!pieces) continue;
      const { ledger, sizeBytes, atMs } = pieces;
      found.push({ digest, origin: ledger.origin, sizeBytes, atMs });
    } finally {
      hold.release();
    }
  }
  return found;
}

async function findOrClear(layout: Layout, digest: Digest): Promise<Pieces | undefined> {
  let pieces: Pieces | undefined;
  try {
    pieces = await findPieces(layout, digest);
  } catch (error) {
    if (isShortage(error)) throw toContentError(error, 'cannot read the interrupted ingests');
  }
  // A disk that refuses this keeps what nobody needs; the rest can still be gone on with.
  if (!pieces) await removePieces(layout, digest).catch(() => undefined);
  return pieces;
}
