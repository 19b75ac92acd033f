import type { IncomingMessage } from 'node:http';
import { sleep } from '../util/sleep.ts';

/** So much is read for the sake of the connection, which can then be used for the next request. */
const SMALL_BYTES = 64 * 1024;
/** A client that goes on sending after its answer is listened to so long: a connection reset would take the answer from it. */
const LINGER_MS = 10_000;

/** What a request's body needs that nobody has read to its end, so that the client can read its answer. */
export interface UnreadBody {
  /** The connection is of no more use after it. */
  readonly mustClose: boolean;
  /** Resolves when the client has sent it all, has gone, or has gone on for too long. */
  drain(): Promise<void>;
}

/** Undefined when all of it was read, or there was none. */
export function unreadBody(message: IncomingMessage): UnreadBody | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = message.headers;
  const hasBody = encoding !== undefined || (length !== undefined && length !== '0');
  // Over HTTP/2 a stream is closed without touching the others.
  if (!hasBody || message.complete || message.destroyed || message.httpVersionMajor > 1) return undefined;
  const isSmall = length !== undefined && Number(length) <= SMALL_BYTES;
  return { mustClose: !isSmall, drain: () => drain(message) };
}

async function drain(message: IncomingMessage): Promise<void> {
  const ended = new AbortController();
  const end = () => ended.abort();
  message.once('end', end).once('close', end).on('error', end).resume();
  if (!message.complete && !message.destroyed) await sleep(LINGER_MS, ended.signal);
}
