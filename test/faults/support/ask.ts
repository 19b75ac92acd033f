import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';

/** What a client got. */
export interface ClientAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the body ended properly; false if the connection broke. */
  readonly whole: boolean;
  /** To the end of the headers. */
  readonly headersMs: number;
  /** To the end of the body. */
  readonly ms: number;
}

/** How a client asks. */
export interface AskOptions {
  method?: string;
  headers?: Record<string, string | string[]>;
  /** After so many milliseconds the client gives up, which is an error; default 15 seconds. */
  patienceMs?: number;
}

/** Anything with a door. */
export interface Door {
  readonly url: string;
}

/**
 * Sends one request on a connection of its own, with the path exactly as given. A connection that breaks before the
 * headers is an error.
 */
export async function ask(door: Door, path: string, options: AskOptions = {}): Promise<ClientAnswer> {
  const { method = 'GET', headers = {}, patienceMs = 15_000 } = options;
  const { hostname, port } = new URL(door.url);
  const startedAt = performance.now();
  const signal = AbortSignal.timeout(patienceMs);
  const outgoing = request({ hostname, port, path, method, headers, signal, agent: false });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const headersMs = performance.now() - startedAt;
  const body = await readAll(response);
  signal.throwIfAborted();
  const ms = performance.now() - startedAt;
  const { statusCode: status = 0, complete: whole } = response;
  return { status, headers: response.headers, body, whole, headersMs, ms };
}

/** Writes `text` to a socket and gives what comes back until the other side closes, or falls silent for a second. */
export async function askRaw(door: Door, text: string): Promise<string> {
  const { hostname, port } = new URL(door.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.setEncoding('utf8');
  socket.setTimeout(1000, () => socket.destroy());
  let answer = '';
  socket.on('data', (piece: string) => {
    answer += piece;
  });
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  // A server that refuses while we still write may break the connection.
  socket.on('error', () => undefined);
  socket.write(text);
  await closed;
  return answer;
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  response.on('data', (piece: Buffer) => pieces.push(piece));
  // A break is an answer too: `complete` tells it.
  response.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    response.once('close', () => resolve());
  });
  return Buffer.concat(pieces);
}
