import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerResponse,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { IDLE_MS, KEEP_ALIVE_MS, MAX_HEADER_BYTES } from './http-limits.ts';
import { Http2Request } from './http2-request.ts';
import { Http2Response } from './http2-response.ts';

/** PEM: certificate and key, and the CA certificates of which each client must have one. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/** What RFC 9113 section 6.5.2 asks for at least. */
const MAX_STREAMS = 100;
/**
 * What a client may send of one body before it is read, and thus in a round trip: 22 MiB/s at 50 ms, where Node's 64 KiB
 * gave 0.7. It is also what each unread body may take in memory.
 */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
/** The same for all bodies of a connection; Node takes them off its account as they come. */
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
/** What may wait to be sent on a connection before new requests are refused: each answer may have 2 MiB under way. */
const SESSION_MEGABYTES = 512;
const HANDSHAKE_MS = 30_000;

/** What Node's types leave out. */
export type TlsServer = Http2SecureServer & { timeout: number; closeIdleConnections(): void };

/** Speaks HTTP/2 to those that offer it by ALPN, and HTTP/1.1 to all others. */
export function createTlsServer(
  identity: TlsIdentity,
  limits: object,
  listener: (message: IncomingMessage, response: ServerResponse) => void,
): TlsServer {
  const options: SecureServerOptions = {
    ...limits,
    ...identity,
    allowHTTP1: true,
    requestCert: identity.ca !== undefined,
    rejectUnauthorized: identity.ca !== undefined,
    handshakeTimeout: HANDSHAKE_MS,
    Http2ServerRequest: Http2Request,
    Http2ServerResponse: Http2Response as typeof Http2ServerResponse,
    maxSessionMemory: SESSION_MEGABYTES,
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: MAX_HEADER_BYTES,
      enablePush: false,
    },
  };
  const server = createSecureServer(options, (request, response) => {
    // The two kinds have in common what handlers use.
    listener(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  server.on('session', (session) => {
    tend(session);
    // Its handshake began before the server was closed.
    if (!server.listening) session.close();
  });
  return server as TlsServer;
}

/** Ends what stands still: a connection without streams soon, a stream after as long as a connection of HTTP/1.1. */
function tend(session: ServerHttp2Session): void {
  let streams = 0;
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  session.setTimeout(KEEP_ALIVE_MS);
  // Before the request's handler, which may want it otherwise.
  session.prependListener('stream', (stream: ServerHttp2Stream) => {
    streams += 1;
    session.setTimeout(0);
    stream.setTimeout(IDLE_MS, () => stream.close(constants.NGHTTP2_CANCEL));
    stream.once('close', () => {
      streams -= 1;
      if (streams === 0 && !session.destroyed) session.setTimeout(KEEP_ALIVE_MS);
    });
  });
}
