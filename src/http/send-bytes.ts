import type { ServerResponse } from 'node:http';
import { CodedError } from '../util/coded-error.ts';

/** Something that bytes can be read of, such as an open blob. */
export interface ByteReader {
  /** At least one byte from that offset on; 0 at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
}

/** What a client starts with, and a slow one stays at: 200 of them then hold 25 MiB together. */
const MIN_BUFFER_BYTES = 64 * 1024;
/** What a fast client ends up with: beyond one megabyte a system call, throughput grows no more. */
const MAX_BUFFER_BYTES = 1024 * 1024;
/**
 * A buffer grows to the part of what went out fast that this is: the kernel takes some 10 MiB for the slowest client
 * too, and that must not count as speed.
 */
const GROWTH_SHARE = 1 / 64;
/** A write that takes longer than this was waited for by the client's network. */
const SLOW_WRITE_MS = 100;

/**
 * Copies a stretch to a response at the client's pace. Two buffers take turns: one is read into while the other is on
 * its way out; they grow while the client is fast and shrink when it is slow.
 * @param endBytes undefined: up to the end, whatever that is
 * @throws when the source ends early or fails, and when the client goes
 */
export async function sendBytes(
  source: ByteReader,
  range: { readonly startBytes: number; readonly endBytes: number | undefined },
  response: ServerResponse,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const endBytes = range.endBytes ?? Infinity;
  let position = range.startBytes;
  let size = Math.min(MIN_BUFFER_BYTES, endBytes - position);
  let fastBytes = 0;
  let buffers = [Buffer.alloc(0), Buffer.alloc(0)] as const;
  let writing: Promise<number> | undefined;
  for (let turn = 0; position < endBytes; turn += 1) {
    if (buffers[0].length !== size) buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)];
    const buffer = buffers[turn % 2 === 0 ? 0 : 1];
    const wanted = Math.min(buffer.length, endBytes - position);
    const read = await source.read(buffer.subarray(0, wanted), position);
    if (read === 0) {
      if (endBytes === Infinity) break;
      throw new CodedError('CONTENT_TRUNCATED', `the content ends at ${position}, before ${endBytes}`);
    }
    position += read;
    const tookMs = await writing;
    writing = write(response, buffer.subarray(0, read));
    // A failed write is met at the next turn; until then it must not count as unhandled.
    writing.catch(() => undefined);
    onBytes(read);
    fastBytes = (tookMs ?? 0) > SLOW_WRITE_MS ? 0 : fastBytes + read;
    size = sizeFor(fastBytes, size);
  }
  await writing;
}

/** Steps of two, so that few buffers are made. */
function sizeFor(fastBytes: number, size: number): number {
  if (fastBytes === 0) return Math.min(size, MIN_BUFFER_BYTES);
  const earned = fastBytes * GROWTH_SHARE;
  return earned >= size * 2 ? Math.min(MAX_BUFFER_BYTES, size * 2) : size;
}

/** Resolves with the time in ms until the kernel had all of it, so that the buffer can be used again. */
function write(response: ServerResponse, bytes: Uint8Array): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    response.write(bytes, (error) => {
      if (error) reject(new CodedError('CLIENT_GONE', 'the client closed the connection', { cause: error }));
      else resolve(performance.now() - startedAt);
    });
  });
}
