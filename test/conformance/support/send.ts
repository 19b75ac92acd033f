import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { PASSWORD } from '../../support/hosted.ts';

/** Who asks where. */
export interface Client {
  /** `http://host:port`, of whichever door. */
  readonly url: string;
  /** The user whose password goes along unasked; undefined: none. */
  readonly user: string | undefined;
  /** A token that goes along in place of a user's password. */
  readonly token?: string;
  /** Where paths without a leading slash are. */
  readonly repository: string;
}

/** What a client got. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Did the body end properly? */
  readonly whole: boolean;
}

/** What goes along with a request. */
export interface SendOptions {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Bytes go with their Content-Length, pieces that come by and by are chunked unless `headers` says otherwise. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** The address to ask from, any of 127.0.0.0/8: wrong passwords are counted by address. */
  readonly from?: string;
}

/** After that the client gives up, which is an error. */
const PATIENCE_MS = 60_000;

/**
 * Sends one request on a connection of its own. @param path below the client's repository (`blobs/uploads/`), from the
 * root (`/v2/`), or a whole URL, and exactly as given
 */
export async function send(client: Client, method: string, path: string, options: SendOptions = {}): Promise<Answer> {
  const { headers = {}, body, from } = options;
  const { hostname, port } = new URL(client.url);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const outgoing = request({
    hostname,
    port,
    path: pathOf(client, path),
    method,
    headers: { ...authorizationOf(client), ...headers } as Record<string, string | string[]>,
    signal,
    agent: false,
    ...(from !== undefined && { localAddress: from }),
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  // Who is refused before all was sent may find the connection broken: the answer counts.
  outgoing.on('error', () => undefined);
  write(outgoing, body);
  const [response] = await answered;
  const pieces: Buffer[] = [];
  response.on('data', (piece: Buffer) => pieces.push(piece));
  response.on('error', () => undefined);
  if (!response.closed) await new Promise((resolve) => void response.once('close', resolve));
  signal.throwIfAborted();
  const { statusCode: status = 0, complete: whole } = response;
  return { status, headers: response.headers, body: Buffer.concat(pieces), whole };
}

/** The JSON object of an answer. */
export function jsonOf({ body }: Answer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}

/** The headers that name a user, or have a token. */
export function authorizationOf({ user, token }: Pick<Client, 'user' | 'token'>): Record<string, string> {
  if (token !== undefined) return { Authorization: `Bearer ${token}` };
  return user === undefined ? {} : { Authorization: basic(user) };
}

/** Basic credentials (RFC 7617). */
export function basic(user: string, password = PASSWORD): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function pathOf({ repository }: Client, path: string): string {
  if (path.startsWith('/')) return path;
  if (!/^https?:/.test(path)) return `/v2/${repository}/${path}`;
  const { pathname, search } = new URL(path);
  return `${pathname}${search}`;
}

function write(outgoing: ReturnType<typeof request>, body: SendOptions['body']): void {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body);
  else Readable.from(body).pipe(outgoing);
}
