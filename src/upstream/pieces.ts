/** Cuts bytes into pieces of at most so many, without copying them. */
export function* piecesOf(bytes: Uint8Array, maxBytes: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += maxBytes) yield bytes.subarray(start, start + maxBytes);
}
