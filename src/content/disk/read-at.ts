import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.ts';
import { toContentError } from '../content-error.ts';

/** Fills the buffer from that offset on; fewer bytes only at the end of the file. @throws ContentError */
export async function readAt(
  handle: FileHandle,
  buffer: Uint8Array,
  positionBytes: number,
  digest: Digest,
): Promise<number> {
  try {
    return (await handle.read(buffer, 0, buffer.length, positionBytes)).bytesRead;
  } catch (error) {
    throw toContentError(error, `cannot read ${digest}`);
  }
}
