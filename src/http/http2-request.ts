import { constants, Http2ServerRequest, type ServerHttp2Stream } from 'node:http2';
import { CodedError } from '../util/coded-error.ts';

/**
 * A request over HTTP/2 that is used as one over HTTP/1.1 is. Node's own class differs from that where it must not: it
 * ends the body of a request that was cut off as if that were all, has no `host`, and forgets the client's address.
 */
export class Http2Request extends Http2ServerRequest {
  readonly #connection: StreamConnection;

  constructor(...parameters: ConstructorParameters<typeof Http2ServerRequest>) {
    super(...parameters);
    const [stream, headers] = parameters;
    // RFC 9113 section 8.3.1: where both are given, `Host` does not count.
    const host = headers[':authority'] ?? headers.host;
    if (host !== undefined) headers.host = host;
    this.#connection = new StreamConnection(stream);
    // Who reads the body is told; for all others this is no news.
    this.on('error', () => undefined);
    // Before Node's own listener, so that it is this error that a reader gets.
    stream.prependOnceListener('aborted', () => this.destroy(new CodedError('ECONNRESET', 'the client broke off')));
  }

  // As far as types go, these are fields of Node's class.
  static {
    Object.defineProperties(this.prototype, {
      /** The connection, as far as it is this request's own. */
      socket: {
        get(this: Http2Request) {
          return this.#connection;
        },
      },
      /** Has all of it arrived? */
      complete: {
        get(this: Http2Request) {
          return !this.aborted && (this.stream.endAfterHeaders || this.stream.readableEnded);
        },
      },
    });
  }
}

/** What a handler may want of a connection. Others share it: only what becomes of the stream is up to the handler. */
class StreamConnection {
  readonly encrypted = true;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
    const { session } = stream;
    const socket = session && !session.destroyed ? session.socket : undefined;
    this.remoteAddress = socket?.remoteAddress;
    this.remotePort = socket?.remotePort;
    this.localAddress = socket?.localAddress;
    this.localPort = socket?.localPort;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed;
  }

  /** How long nothing may move, in ms; 0: forever. */
  get timeout(): number | undefined {
    return (this.#stream as { timeout?: number }).timeout;
  }

  setTimeout(timeoutMs: number): this {
    if (!this.#stream.closed) this.#stream.setTimeout(timeoutMs);
    return this;
  }

  destroy(): this {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    return this;
  }
}
