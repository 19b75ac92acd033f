import type { ServerResponse } from 'node:http';
import { CodedError } from '../util/coded-error.ts';

/** Something that bytes can be read of, such as an open blob. */
export interface ByteReader {
  /** At least one byte from that offset on; 0 at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
}

/** What a client starts with: 200 slow ones then hold 25 MiB together. */
const MIN_BUFFER_BYTES = 64 * 1024;
/** What a fast client ends up with: one megabyte a system call is where throughput stops to grow. */
const MAX_BUFFER_BYTES = 1024 * 1024;
/** A write that is taken in less than this says that the client would take more at once. */
const FAST_WRITE_MS = 20;
const SLOW_WRITE_MS = 200;

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
    if (tookMs !== undefined) size = nextSize(size, tookMs, read === wanted);
  }
  await writing;
}

function nextSize(size: number, tookMs: number, wasFull: boolean): number {
  if (tookMs > SLOW_WRITE_MS) return MIN_BUFFER_BYTES;
  return wasFull && tookMs < FAST_WRITE_MS ? Math.min(MAX_BUFFER_BYTES, size * 2) : size;
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
