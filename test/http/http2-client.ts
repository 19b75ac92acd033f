import { once } from 'node:events';
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import type { Listener } from '../../src/http/listener.ts';

/** What came of a request. */
export interface Http2Answer {
  readonly headers: IncomingHttpHeaders & { readonly ':status'?: number | undefined };
  readonly body: Buffer;
  /** What the stream was reset with; 0: it was not, or the answer was whole. */
  readonly code: number;
}

/** A connection over HTTP/2 to a listener with this certificate. */
export async function dialHttp2(listener: Pick<Listener, 'address'>, cert: string) {
  // Node's client counts what it has yet to send, and takes no answers beyond that.
  const session = connect(`https://${listener.address}`, { ca: cert, maxSessionMemory: 1000 });
  session.on('error', () => undefined);
  await once(session, 'connect');
  return {
    session,
    /** A request whose end is up to the caller. */
    start: (headers: OutgoingHttpHeaders): ClientHttp2Stream => {
      const stream = session.request({ ':path': '/', ...headers });
      stream.on('error', () => undefined);
      return stream;
    },
    /** A whole request. */
    ask: (headers: OutgoingHttpHeaders, body?: Uint8Array): Promise<Http2Answer> => {
      const stream = session.request({ ':path': '/', ...headers });
      stream.end(body);
      return answerOf(stream);
    },
    [Symbol.asyncDispose]: async () => {
      if (session.destroyed) return;
      const closed = once(session, 'close');
      session.destroy();
      await closed;
    },
  };
}

/** All that comes, until the stream is closed. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: Http2Answer['headers'] = {};
  const chunks: Buffer[] = [];
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => undefined);
  await new Promise((resolve) => {
    stream.once('close', resolve);
  });
  return { headers, body: Buffer.concat(chunks), code: stream.rstCode ?? 0 };
}
