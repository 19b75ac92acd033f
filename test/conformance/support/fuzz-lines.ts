import { Agent, type IncomingMessage, request as open } from 'node:http';
import {
  type ClientHttp2Session,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Answer } from './send.ts';

/** A request as it goes out. */
interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
  /** The address that it comes from. */
  readonly from: string;
}

/** Carries requests to a server. @throws Error for one that gets no answer, or none in time */
export interface Line extends Disposable {
  send(request: SentRequest): Promise<Answer>;
}

const DEADLINE_MS = 30_000;
/** Of the connection, not of the request (RFC 9113 8.2.2): clients of HTTP/2 may not send them. */
const CONNECTION_HEADERS = new Set(['Connection', 'Host']);

/** HTTP/1.1, over connections that are kept. @param url of a door */
export function plainLine(url: () => string): Line {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return {
    send: ({ body, from, ...request }) => {
      const { hostname, port } = new URL(url());
      const signal = AbortSignal.timeout(DEADLINE_MS);
      return new Promise((resolve, reject) => {
        const outgoing = open({ ...request, hostname, port, agent, localAddress: from, signal });
        outgoing.on('error', reject);
        outgoing.on('response', (response) => void collect(response).then(resolve, reject));
        outgoing.end(body);
      });
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** HTTP/2 over TLS, all over one connection from each address. */
export function encryptedLine(url: () => string, ca: string): Line {
  const sessions = new Map<string, ClientHttp2Session>();
  const sessionFrom = (localAddress: string): ClientHttp2Session => {
    const known = sessions.get(localAddress);
    if (known && !known.closed && !known.destroyed) return known;
    const { hostname: host, port } = new URL(url());
    const session = connect(url(), {
      createConnection: () => {
        const socket = connectTcp({ host, port: Number(port), localAddress });
        return connectTls({ socket, host, ca, ALPNProtocols: ['h2'] });
      },
    });
    session.on('error', () => undefined);
    sessions.set(localAddress, session);
    return session;
  };
  return {
    send: async ({ method, path, headers, body, from }) => {
      const allowed = Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.has(name));
      const stream = sessionFrom(from).request(
        { ...Object.fromEntries(allowed), ':method': method, ':path': path },
        // Node thinks that a body of GET means nothing.
        { endStream: body === undefined },
      );
      let answered: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
      const pieces: Buffer[] = [];
      stream.on('response', (received) => void (answered = received));
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('error', () => undefined);
      stream.setTimeout(DEADLINE_MS, () => stream.close(constants.NGHTTP2_CANCEL));
      if (body !== undefined) stream.end(body);
      await new Promise((resolve) => void stream.once('close', resolve));
      const { ':status': status, ...rest } = answered;
      if (status === undefined) throw new Error(`no answer, and the stream was reset with ${stream.rstCode}`);
      const whole = stream.rstCode === constants.NGHTTP2_NO_ERROR;
      return { status, headers: rest, body: Buffer.concat(pieces), whole };
    },
    [Symbol.dispose]: () => {
      for (const session of sessions.values()) session.destroy();
    },
  };
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  response.on('data', (piece: Buffer) => pieces.push(piece));
  response.on('error', () => undefined);
  if (!response.closed) await new Promise((resolve) => void response.once('close', resolve));
  const { statusCode: status = 0, headers, complete: whole } = response;
  return { status, headers, body: Buffer.concat(pieces), whole };
}
