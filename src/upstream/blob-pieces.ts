import type { BodyStream } from './exchange.ts';
import type { BlobToPush } from './peer.ts';
import { piecesOf } from './pieces.ts';
import { UpstreamError } from './upstream-error.ts';

/** A part of a blob. */
export interface BlobPart {
  readonly startBytes: number;
  readonly endBytes: number;
}

/** What is reported as sent in one go. */
const PIECE_BYTES = 64 * 1024;

/** A part of a blob as a body. It throws what reading throws, and `INVALID` if there is less than there should be. */
export function blobPart(blob: BlobToPush, part: BlobPart, upstream: string): BodyStream {
  return { sizeBytes: part.endBytes - part.startBytes, open: (signal) => readPart(blob, part, { signal, upstream }) };
}

async function* readPart(
  blob: BlobToPush,
  { startBytes, endBytes }: BlobPart,
  { signal, upstream }: { readonly signal: AbortSignal; readonly upstream: string },
): AsyncGenerator<Uint8Array> {
  let leftBytes = endBytes - startBytes;
  for await (const chunk of blob.read(startBytes)) {
    for (const piece of piecesOf(chunk.subarray(0, leftBytes), PIECE_BYTES)) {
      if (signal.aborted) return;
      leftBytes -= piece.length;
      blob.onSent(piece.length);
      yield piece;
    }
    if (leftBytes === 0) return;
  }
  if (leftBytes > 0) {
    throw new UpstreamError('INVALID', upstream, `${leftBytes} bytes of ${blob.digest} could not be read to be sent`);
  }
}
