import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** What a client calls this server. */
export interface PublicOrigin {
  /** Such as `https://registry.example.com`. */
  readonly url: string;
  /** Such as `registry.example.com`, with the port if it is not the scheme's. */
  readonly host: string;
}

/** RFC 3986 section 3.2.2, without what no registry is called; what is found here is put into headers. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i;
const MAX_HOST_LENGTH = 255;

/** The configured URL, or the name by which the request came in. */
export function publicOriginOf(message: IncomingMessage, configured: URL | undefined): PublicOrigin {
  if (configured) return { url: configured.origin, host: configured.host };
  const scheme = isOverTls(message) ? 'https' : 'http';
  const host = hostOf(message);
  return { url: `${scheme}://${host}`, host };
}

function isOverTls({ socket }: IncomingMessage): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true;
}

function hostOf({ headers, socket }: IncomingMessage): string {
  const { host = headers[':authority'] } = headers;
  if (typeof host === 'string' && host.length <= MAX_HOST_LENGTH && HOST.test(host)) return host.toLowerCase();
  const { localAddress = 'localhost', localPort = 0 } = socket;
  return `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`;
}
