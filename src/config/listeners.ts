import type { ListenAddress, RegistryConfig, ServerConfig } from './config.ts';
import { parseHostPort } from './host-port.ts';
import { duration, parsedText } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { map } from './structures.ts';
import { resolveTls, tls } from './tls.ts';
import { rootUrl } from './web-url.ts';

const serverSchema = map({
  listen: listenAddress().prefault('127.0.0.1:5000'),
  tls: tls(),
  drainTimeout: duration({ max: '1d' }).prefault('30s'),
});
const registrySchema = map({ listen: listenAddress(), tls: tls(), url: rootUrl().optional() });

/** The mirror's door, with its certificate's files found; undefined if something was refused. */
export async function resolveServer(value: unknown, reader: SectionReader): Promise<ServerConfig | undefined> {
  const raw = reader.read(serverSchema, value, ['server']);
  const identity = await resolveTls(value, ['server'], reader);
  return raw && { listen: raw.listen, ...(identity && { tls: identity }), drainTimeoutMs: raw.drainTimeout };
}

/** The registry's door, with its certificate's files found; undefined without the section, or if something was refused. */
export async function resolveRegistry(value: unknown, reader: SectionReader): Promise<RegistryConfig | undefined> {
  if (value === undefined) return undefined;
  const raw = reader.read(registrySchema, value, ['registry']);
  const identity = await resolveTls(value, ['registry'], reader);
  return raw && { listen: raw.listen, ...(identity && { tls: identity }), ...(raw.url && { url: raw.url }) };
}

/** Refuses a listener that would find its port taken by one before it. */
export function checkListeners(listeners: readonly [string, ListenAddress | undefined][], reader: SectionReader): void {
  const seen: [string, ListenAddress][] = [];
  for (const [section, address] of listeners) {
    if (address === undefined) continue;
    const rival = seen.find(([, other]) => collide(address, other));
    if (rival) reader.refuse([section, 'listen'], `is the same address as ${rival[0]}.listen; give it another port`);
    seen.push([section, address]);
  }
}

function collide(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || a.host === undefined || b.host === undefined;
}

/** `host:port`, or `:port` for all interfaces. */
export function listenAddress() {
  return parsedText(
    parseListenAddress,
    'an address to listen on; write for example 127.0.0.1:5000, "[::1]:5000" or :5000',
  );
}

function parseListenAddress(source: string): ListenAddress | undefined {
  const parsed = parseHostPort(source);
  if (parsed?.port === undefined) return undefined;
  return { host: parsed.host === '' ? undefined : parsed.host, port: parsed.port };
}
