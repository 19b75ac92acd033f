import type { FileHandle } from 'node:fs/promises';

/** Writes all chunks from that offset on, by one system call if the disk takes them at once. @returns where they end */
export async function writeAll(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  positionBytes: number,
): Promise<number> {
  let position = positionBytes;
  for (let rest = chunks; rest.length > 0; ) {
    const { bytesWritten } = await handle.writev(rest, position);
    position += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
  return position;
}

/** What is left of the chunks after so many bytes: a disk may take fewer than it was given. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  return chunks.flatMap((chunk) => {
    const taken = Math.min(skip, chunk.length);
    skip -= taken;
    return taken < chunk.length ? [chunk.subarray(taken)] : [];
  });
}
