import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect as connectSocket, type Socket } from 'node:net';

/** A forward proxy on 127.0.0.1: CONNECT for https, absolute URLs for http. */
export interface SmallProxy extends AsyncDisposable {
  readonly port: number;
  /** What it was asked for, such as `GET http://...` or `CONNECT host:port`. */
  readonly seen: string[];
  /** The Proxy-Authorization of each. */
  readonly logins: (string | undefined)[];
}

export interface SmallProxyOptions {
  /** Where it really goes, whatever name it is asked for; default there. */
  readonly target?: string;
  /** Demanded as Proxy-Authorization. */
  readonly login?: string;
  /** Takes CONNECT and never answers. */
  readonly isSilent?: boolean;
}

export async function smallProxy({ target, login, isSilent }: SmallProxyOptions = {}): Promise<SmallProxy> {
  const seen: string[] = [];
  const logins: (string | undefined)[] = [];
  const sockets = new Set<Socket>();

  const isLet = (request: IncomingMessage): boolean => {
    seen.push(`${request.method} ${request.url}`);
    const sent = request.headers['proxy-authorization'];
    logins.push(sent);
    return login === undefined || sent === `Basic ${Buffer.from(login).toString('base64')}`;
  };

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (!isLet(request)) {
      response.writeHead(407).end();
      return;
    }
    const { host, pathname, search } = new URL(request.url ?? '');
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const [hostname, port] = (target ?? host).split(':');
    const path = pathname + search;
    httpRequest({ hostname, port, path, method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    }).end();
  });
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    sockets.add(client.on('error', () => {}));
    const isAllowed = isLet(request);
    if (isSilent) return;
    if (!isAllowed) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const [hostname, port] = (target ?? request.url ?? '').split(':');
    const origin = connectSocket(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      origin.pipe(client).pipe(origin);
    });
    sockets.add(origin.on('error', () => client.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    logins,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
