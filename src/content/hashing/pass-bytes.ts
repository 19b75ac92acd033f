import type { IntervalSet } from '../../util/interval-set.ts';
import { ContentError } from '../content-error.ts';
import type { ContentHash } from './running-hash.ts';

/**
 * Hashes bytes that are kept nowhere, and counts them as arrived. @returns how many they were
 * @throws ContentError they are not the next ones
 */
export function passBytes(
  hash: ContentHash,
  have: IntervalSet,
  chunks: readonly Uint8Array[],
  positionBytes: number,
): number {
  const next = have.endFrom(0);
  // What is hashed cannot be hashed again, and what comes too early could not be hashed later.
  if (positionBytes !== next) {
    throw new ContentError(
      'STORE_FAILED',
      `bytes from ${positionBytes} on were passed where those from ${next} belong`,
    );
  }
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (sizeBytes === 0) return 0;
  hash.pass(chunks, positionBytes);
  have.add(positionBytes, positionBytes + sizeBytes);
  return sizeBytes;
}
