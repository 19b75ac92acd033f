import { throwIfGivenUp } from './caller-signal.ts';
import { type BodyStream, type Exchange, isStream, type UpstreamRequest } from './exchange.ts';
import { commonHeaders } from './network.ts';

export interface PacingOptions {
  readonly upstream: string;
  readonly userAgent: string;
  /** So many bytes are on their way. */
  readonly onBytes: (bytes: number) => void;
}

/** What is sent in one go at most; more of a body is cut into pieces, so that a low rate is an even one. */
const PIECE_BYTES = 64 * 1024;
/** A body begins with these. */
const SMALLEST_PIECE_BYTES = 1024;
/** Registries, and what stands in front of them, give up on a body that rests for a minute: where pieces wait, they get smaller. */
const LONG_WAIT_MS = 1000;
const SHORT_WAIT_MS = 200;
/** Content-Length goes with these, also where there is no body (RFC 9110 8.6). */
const TELL_LENGTH: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Lets all that is sent wait for its turn, heads of requests and bodies. It stands near the network and therefore sees
 * redirects, logins and repetitions too. What belongs to no call with a pace, such as a token that several calls wait
 * for, is charged to the next one that has one.
 */
export function pacing(next: Exchange, options: PacingOptions): Exchange {
  const { onBytes, upstream } = options;
  let owedBytes = 0;
  const charge = async (bytes: number, { pace }: UpstreamRequest, signal: AbortSignal | undefined): Promise<void> => {
    const wholeBytes = bytes + owedBytes;
    owedBytes = pace ? 0 : wholeBytes;
    await pace?.take(wholeBytes, signal);
    if (signal?.aborted !== true) onBytes(bytes);
  };
  return async (request) => {
    const { body, signal } = request;
    const bodyBytes = sizeOf(body);
    const isSmall = body === undefined || (!isStream(body) && bodyBytes <= PIECE_BYTES);
    await charge(headSize(request, options.userAgent) + (isSmall ? bodyBytes : 0), request, signal);
    throwIfGivenUp(upstream, signal);
    if (isSmall) return next(request);
    const paced: BodyStream = {
      sizeBytes: bodyBytes,
      open: (wanted) => pacedPieces(body, wanted, (bytes) => charge(bytes, request, wanted)),
    };
    return next({ ...request, body: paced });
  };
}

async function* pacedPieces(
  body: Exclude<UpstreamRequest['body'], undefined>,
  signal: AbortSignal,
  charge: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  const chunks = isStream(body) ? body.open(signal) : [typeof body === 'string' ? Buffer.from(body) : body];
  let pieceBytes = SMALLEST_PIECE_BYTES;
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      const piece = chunk.subarray(start, start + pieceBytes);
      const startedAt = performance.now();
      await charge(piece.length);
      if (signal.aborted) return;
      pieceBytes = nextSize(pieceBytes, performance.now() - startedAt);
      yield piece;
      start += piece.length;
    }
  }
}

function nextSize(bytes: number, waitedMs: number): number {
  if (waitedMs > LONG_WAIT_MS) return Math.max(SMALLEST_PIECE_BYTES, bytes / 2);
  return waitedMs < SHORT_WAIT_MS ? Math.min(PIECE_BYTES, bytes * 2) : bytes;
}

/** Of the request line and the headers (RFC 9112 2.1). */
function headSize({ method, url, headers, body }: UpstreamRequest, userAgent: string): number {
  const all = { host: url.host, connection: 'keep-alive', ...headers, ...commonHeaders(userAgent) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  if (TELL_LENGTH.has(method)) lines.push(`content-length: ${sizeOf(body)}`);
  return Buffer.byteLength([`${method} ${url.pathname}${url.search} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
}

function sizeOf(body: UpstreamRequest['body']): number {
  return isStream(body) ? body.sizeBytes : Buffer.byteLength(body ?? '');
}
