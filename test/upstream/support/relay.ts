import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A piece of the network between a client and a server: counts what the client sends, and breaks when it is told to. */
export interface Relay extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, in place of the server's. */
  readonly url: string;
  /** Bytes from clients that were passed on, whatever they are. */
  readonly sentBytes: number;
  /** Breaks the connection over which so many more bytes have come, with RST on both sides. */
  cutAfter(bytes: number): void;
}

/** Starts a relay to an HTTP server. */
export async function startRelay(url: string): Promise<Relay> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let sentBytes = 0;
  let cutAt = Number.POSITIVE_INFINITY;
  const server = createServer((client) => {
    const onward = connect(Number(target.port), target.hostname);
    const breakOff = () => {
      client.resetAndDestroy();
      onward.resetAndDestroy();
    };
    for (const socket of [client, onward]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket)).on('error', breakOff);
    }
    client.on('data', (bytes) => {
      const passed = bytes.subarray(0, cutAt - sentBytes);
      sentBytes += passed.length;
      if (!onward.write(passed)) {
        client.pause();
        onward.once('drain', () => client.resume());
      }
      if (sentBytes < cutAt) return;
      cutAt = Number.POSITIVE_INFINITY;
      // What was passed on arrives before the connection breaks.
      onward.end(() => client.resetAndDestroy());
    });
    client.on('end', () => onward.end());
    onward.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get sentBytes() {
      return sentBytes;
    },
    cutAfter: (bytes) => {
      cutAt = sentBytes + bytes;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
