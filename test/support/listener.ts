import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A node:http server on 127.0.0.1 that can go away and come back on the same port. */
export class Listener implements AsyncDisposable {
  readonly #handler: Handler;
  #server: Server | undefined;
  #port = 0;

  private constructor(handler: Handler) {
    this.#handler = handler;
  }

  /** Listens on a free port. */
  static async start(handler: Handler): Promise<Listener> {
    const listener = new Listener(handler);
    await listener.restart();
    return listener;
  }

  /** `127.0.0.1:PORT`, the same before and after a restart. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://${this.host}`;
  }

  /** Closes the port and breaks the connections: from now on a connect is refused. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeAllConnections();
    await closed;
  }

  /** Listens again, on the port it had. */
  async restart(): Promise<void> {
    if (this.#server !== undefined) return;
    for (let attempt = 1; this.#server === undefined; attempt++) {
      try {
        this.#server = await listen(this.#handler, this.#port);
      } catch (error) {
        if (attempt === 20) throw error;
        await sleep(50);
      }
    }
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function listen(handler: Handler, port: number): Promise<Server> {
  // A long keep-alive: a connection that the server closes while it lies in a client's pool would be one more fault.
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, handler);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}
