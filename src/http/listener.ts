import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sleep } from '../util/sleep.ts';
import { errorJson } from './error-answer.ts';
import { IDLE_MS, KEEP_ALIVE_MS, MAX_HEADER_BYTES } from './http-limits.ts';
import { createTlsServer, type TlsIdentity, type TlsServer } from './tls-server.ts';

/** Where a listener listens; port 0 takes any free one. */
export interface ListenAddress {
  /** Undefined: all interfaces. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Over HTTP/2 both are made to behave as over HTTP/1.1. */
export type RequestListener = (message: IncomingMessage, response: ServerResponse) => void;

const CLOSE_CHECK_MS = 50;
/** Requests that wait for their turn on one connection: each may hold a file open. No registry client pipelines. */
const MAX_PIPELINED = 16;

/** One open port. Disposing it lets running answers end first, as long as {@link drain} allowed. */
export class Listener implements AsyncDisposable {
  readonly #server: Server | TlsServer;
  readonly #connections = new Set<Socket>();

  private constructor(server: Server | TlsServer) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
    });
  }

  /** @throws the system's error, when the address cannot be listened on */
  static async open(address: ListenAddress, listener: RequestListener, tls?: TlsIdentity): Promise<Listener> {
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A body may take as long as it moves: a large layer over a slow line.
      requestTimeout: 0,
      headersTimeout: 30_000,
      noDelay: true,
    };
    const answering = new WeakMap<Duplex, number>();
    const tracked: RequestListener = (message, response) => {
      const { socket } = message;
      const count = (answering.get(socket) ?? 0) + 1;
      answering.set(socket, count);
      response.once('close', () => answering.set(socket, (answering.get(socket) ?? 1) - 1));
      if (count > MAX_PIPELINED) socket.destroy();
      else listener(message, response);
    };
    const server = tls ? createTlsServer(tls, limits, tracked) : createServer(limits, tracked);
    server.timeout = IDLE_MS;
    server.on('clientError', (error: Error, socket: Duplex) => {
      // In the middle of an answer, an error's text would pass for content.
      if (answering.get(socket)) socket.destroy();
      else refuse(error, socket);
    });
    const opened = new Listener(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return opened;
  }

  /** The address that clients use, `host:port`. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Takes new certificates for connections from now on. Whether clients need one stays as it was. */
  replaceIdentity(identity: TlsIdentity): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(identity);
  }

  /** Takes no more connections and lets running answers end, for so long; what is left is cut off. */
  async drain(limitMs: number): Promise<void> {
    // Over HTTP/2 this also asks clients for no more requests, and ends each connection with its last answer.
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const done = new AbortController();
    void closed.then(() => done.abort());
    const deadline = Date.now() + limitMs;
    while (!done.signal.aborted && Date.now() < deadline) {
      // A kept-alive connection whose answer has ended meanwhile, and one that was made for later.
      this.#server.closeIdleConnections();
      for (const socket of this.#connections) if (socket.bytesRead === 0) socket.destroy();
      await sleep(CLOSE_CHECK_MS, done.signal);
    }
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.drain(0);
  }
}

/** What cannot even be parsed is answered here, in the same words as everything else. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', `the request's headers have more than ${MAX_HEADER_BYTES} bytes`]
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request did not come to its end in time']
        : ['400 Bad Request', 'this is not an HTTP request'];
  const body = errorJson('UNKNOWN', message);
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}
