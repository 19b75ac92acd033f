import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * The wire to a site: a TCP proxy in front of it that counts all that goes there, requests' heads included. While the site
 * does not run, connections break as soon as they are made.
 */
export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #sentBytes = 0;
  #firstAtMs: number | undefined;
  #lastAtMs = 0;

  private constructor(to: string) {
    const { hostname, port } = new URL(`http://${to}`);
    this.#server = createServer((near) => this.#join(near, connect(Number(port), hostname)));
  }

  /** @param to `host:port`, which need not be there yet */
  static async start(to: string): Promise<Wire> {
    const wire = new Wire(to);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  /** Where it listens: `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** All bytes that came from the sending side since `reset`. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** From the first of these bytes to the last one. */
  get seconds(): number {
    return this.#firstAtMs === undefined ? 0 : (this.#lastAtMs - this.#firstAtMs) / 1000;
  }

  reset(): void {
    this.#sentBytes = 0;
    this.#firstAtMs = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(near: Socket, far: Socket): void {
    near.on('data', (chunk: Buffer) => {
      this.#lastAtMs = performance.now();
      this.#firstAtMs ??= this.#lastAtMs;
      this.#sentBytes += chunk.length;
    });
    near.pipe(far);
    far.pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        // What is on its way arrives, as it would without anything between.
        other.destroySoon();
      });
    }
  }
}
