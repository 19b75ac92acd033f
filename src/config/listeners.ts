import type { ListenAddress, ServerConfig } from './config.ts';
import { parseHostPort } from './host-port.ts';
import { duration, parsedText, text } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, map } from './structures.ts';

const serverSchema = map({
  listen: listenAddress().prefault('127.0.0.1:5000'),
  tls: map({ cert: text(), key: text() }).optional(),
  drainTimeout: duration({ max: '1d' }).prefault('30s'),
});
export const registrySchema = map({ listen: listenAddress() }).optional();

/** The mirror's door, with its certificate's files found; undefined if something was refused. */
export async function resolveServer(value: unknown, reader: SectionReader): Promise<ServerConfig | undefined> {
  const raw = reader.read(serverSchema, value, ['server']);
  const tls = fieldOf(value, 'tls');
  const certFile = await reader.file(tls, ['server', 'tls'], 'cert');
  const keyFile = await reader.file(tls, ['server', 'tls'], 'key');
  if (raw === undefined) return undefined;
  return {
    listen: raw.listen,
    ...(certFile !== undefined && keyFile !== undefined && { tls: { certFile, keyFile } }),
    drainTimeoutMs: raw.drainTimeout,
  };
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
