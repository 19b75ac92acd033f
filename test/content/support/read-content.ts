import type { ContentFile, ContentStore } from '../../../src/content/content-store.ts';
import type { Digest } from '../../../src/oci/digest.ts';

/** All bytes of an open file from an offset on, read in pieces of the given size. */
export async function readFrom(file: ContentFile, positionBytes = 0, pieceBytes = 64 * 1024): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let position = positionBytes; ; ) {
    const piece = Buffer.alloc(pieceBytes);
    const read = await file.read(piece, position);
    if (read === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, read));
    position += read;
  }
}

/** The bytes that the store has under the digest; undefined when it has none. */
export async function readContent(store: ContentStore, digest: Digest): Promise<Buffer | undefined> {
  await using file = await store.open(digest);
  if (!file) return undefined;
  const bytes = await readFrom(file);
  if (bytes.length !== file.sizeBytes) throw new Error(`${bytes.length} bytes, but sizeBytes is ${file.sizeBytes}`);
  return bytes;
}
