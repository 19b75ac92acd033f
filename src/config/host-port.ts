import { isIPv4, isIPv6 } from 'node:net';

/** A host, lower case and without brackets, and the port if one was given. The host may be empty before a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

const HOST_PORT = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]*))(?::(\d{1,5}))?$/;
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const DIGITS_AND_DOTS = /^[\d.]+$/;

/** `host`, `host:port`, `[IPv6]`, `[IPv6]:port` or `:port`; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = HOST_PORT.exec(text.toLowerCase());
  if (match === null) return undefined;
  const [, ipv6, name = '', digits] = match;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && port > 65_535) return undefined;
  if (ipv6 !== undefined) return isIPv6(ipv6) ? { host: ipv6, port } : undefined;
  if (name === '') return port === undefined ? undefined : { host: '', port };
  return isHost(name) ? { host: name, port } : undefined;
}

/** `host` or `host:port` as it stands in a URL: IPv6 shortened and in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  const name = isIPv6(host) ? new URL(`http://[${host}]/`).hostname : host;
  return port === undefined ? name : `${name}:${port}`;
}

/** Numbers that only look like an address (`10.0.0`) would be read as a different address by some programs. */
function isHost(name: string): boolean {
  return isIPv4(name) || (HOST_NAME.test(name) && !DIGITS_AND_DOTS.test(name));
}
