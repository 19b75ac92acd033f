import type { OutgoingHttpHeaders } from 'node:http';
import { constants, Http2ServerResponse, type ServerHttp2Stream } from 'node:http2';
import { CodedError } from '../util/coded-error.ts';

/** How often it is looked whether an answer's end is out. */
const END_CHECK_MS = 20;

type OnWritten = (error: Error) => void;

/** RFC 9113 section 8.2.2: they are about a connection of HTTP/1.1, and make an answer over HTTP/2 malformed. */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/**
 * An answer over HTTP/2 that is used as one over HTTP/1.1 is. Node's own class differs from that where it must not: one
 * that is destroyed ends like one that is whole, some writes are never told of, and who left is said to have got it all.
 */
export class Http2Response extends Http2ServerResponse {
  constructor(stream: ServerHttp2Stream) {
    super(stream);
    if (!stream.endAfterHeaders) stream.once('finish', () => setImmediate(stopUpload, stream));
  }

  override writeHead(status: number, headers?: OutgoingHttpHeaders | readonly string[]): this;
  override writeHead(status: number, message: string, headers?: OutgoingHttpHeaders | readonly string[]): this;
  override writeHead(status: number, ...others: readonly unknown[]): this {
    const headers = others.find((other) => typeof other === 'object' && other !== null && !Array.isArray(other)) ?? {};
    return super.writeHead(status, withoutConnectionHeaders(headers as OutgoingHttpHeaders));
  }

  override write(chunk: string | Uint8Array, ...others: readonly unknown[]): boolean {
    const callback = others.find((other) => typeof other === 'function') as OnWritten | undefined;
    const encoding = typeof others[0] === 'string' ? (others[0] as BufferEncoding) : 'utf8';
    if (!this.destroyed) return super.write(chunk, encoding, callback);
    if (callback) process.nextTick(callback, new CodedError('ERR_STREAM_DESTROYED', 'the answer was broken off'));
    return false;
  }

  /** Resets the stream, so that the client knows that this was not all of the answer; one that has been ended is. */
  override destroy(error?: Error): this {
    const { stream } = this;
    if (this.writableEnded && !error) stopUpload(stream);
    else if (!stream.destroyed) stream.destroy(error ?? new CodedError('ECONNRESET', 'the answer was broken off'));
    return this;
  }

  /** `finish` is for an answer that went out whole. */
  override emit(event: string | symbol, ...parameters: unknown[]): boolean {
    if (event === 'finish' && !this.stream.writableFinished) return false;
    return super.emit(event, ...parameters);
  }

  // As far as types go it is a field, and Node's class has none.
  static {
    Object.defineProperty(this.prototype, 'destroyed', {
      get(this: Http2Response) {
        return this.stream.destroyed || this.stream.closed;
      },
    });
  }
}

/** RFC 9113 section 8.1: a client that still sends when its answer is complete is asked to stop. */
function stopUpload(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.closed) return;
  const { localClose, remoteClose } = stream.state;
  if (remoteClose === 1) return;
  // The end of the answer would be lost if the reset overtook it.
  if (localClose === 1) stream.close(constants.NGHTTP2_NO_ERROR);
  else setTimeout(stopUpload, END_CHECK_MS, stream).unref();
}

function withoutConnectionHeaders(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.has(name.toLowerCase())));
}
