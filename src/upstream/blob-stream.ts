import type { UpstreamResponse } from './exchange.ts';
import type { ReleaseSlot } from './slots.ts';
import { UpstreamError } from './upstream-error.ts';
import type { BlobStream } from './upstream.ts';

/** What an answer promises to send. */
export interface BlobExtent {
  readonly startBytes: number;
  readonly totalBytes: number | undefined;
  readonly isPartial: boolean;
  /** How many bytes the body must have. */
  readonly bodyBytes: number | undefined;
}

export interface BlobStreamOptions {
  readonly upstream: string;
  readonly release: ReleaseSlot;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (count: number) => void;
  readonly recycle: (bytes: Uint8Array) => void;
}

/** A blob's body as a {@link BlobStream}: it ends after the promised bytes or throws, and gives back its slot. */
export function blobStream(response: UpstreamResponse, extent: BlobExtent, options: BlobStreamOptions): BlobStream {
  const { release, signal, recycle } = options;
  const end = () => {
    signal?.removeEventListener('abort', end);
    response.drop();
    release();
  };
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  return {
    startBytes: extent.startBytes,
    totalBytes: extent.totalBytes,
    isPartial: extent.isPartial,
    body: exactly(response, extent.bodyBytes, { ...options, release: end }),
    recycle,
    [Symbol.asyncDispose]: async () => end(),
  };
}

async function* exactly(
  { body, status, url }: UpstreamResponse,
  expected: number | undefined,
  { onBytes, release, upstream }: BlobStreamOptions,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of body) {
      received += chunk.length;
      onBytes(chunk.length);
      if (received > (expected ?? received)) {
        throw new UpstreamError('INVALID', upstream, `${url.host} sent more than it said`, { status });
      }
      yield chunk;
    }
  } finally {
    release();
  }
  if (received < (expected ?? received)) {
    throw new UpstreamError('UNREACHABLE', upstream, `the answer of ${url.host} ended early`, { status });
  }
}
