import * as z from 'zod';
import { allowedHost } from './allowed-host.ts';
import type { PeerConfig } from './config.ts';
import { resolveCredentials } from './credentials.ts';
import { resolveProxy } from './proxy.ts';
import { count, rate, size } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { siteName } from './site.ts';
import { fieldOf, itemsOf, list, map } from './structures.ts';
import { timeouts } from './timeouts.ts';
import { timeWindows } from './time-window.ts';
import { rootUrl } from './web-url.ts';

const PEER_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,62})$/;

// The keys that hold secrets or name files are read one by one, so that each of their mistakes is found.
const peerSchema = map({
  url: rootUrl(),
  site: siteName().optional(),
  credentials: z.unknown().optional(),
  maxJobs: count(1, 64).prefault(4),
  maxConnections: count(1, 1024).prefault(8),
  bandwidth: rate().optional(),
  only: timeWindows(),
  chunks: size({ min: '64KiB', max: '4GiB' }).optional(),
  proxy: z.unknown().optional(),
  proxyFile: z.unknown().optional(),
  ca: z.unknown().optional(),
  allowHosts: list(allowedHost()).prefault([]),
  timeouts: timeouts(),
});

/** The sites and registries that rules of replication may push to. */
export async function resolvePeers(value: unknown, reader: SectionReader): Promise<readonly PeerConfig[]> {
  const entries = reader.entries(value, ['peers']);
  const peers = await Promise.all(entries.map(([name, entry]) => resolvePeer(name, entry, reader)));
  return peers.filter((peer) => peer !== undefined);
}

/** Refuses siblings that are no peers. Looks at what was written: a mistake elsewhere hides none of these. */
export function checkSiblings(
  config: Readonly<Record<string, unknown>>,
  peerNames: readonly string[],
  reader: SectionReader,
): void {
  const check = (section: unknown, path: readonly (string | number)[]) => {
    checkPeerNames(itemsOf(fieldOf(section, 'siblings')), [...path, 'siblings'], { known: peerNames, reader });
  };
  for (const [key, upstream] of reader.entries(config['upstreams'], ['upstreams'])) check(upstream, ['upstreams', key]);
  for (const [index, rule] of itemsOf(config['hostedRules']).entries()) check(rule, ['hostedRules', index]);
}

/** Refuses names of a list that are no peers, or stand there twice. */
export function checkPeerNames(
  names: readonly unknown[],
  path: readonly (string | number)[],
  { known, reader }: { readonly known: readonly string[]; readonly reader: SectionReader },
): void {
  for (const [position, name] of names.entries()) {
    if (typeof name !== 'string') continue;
    if (!known.includes(name)) reader.refuse([...path, position], `is not a peer; ${knownPeers(known)}`);
    else if (names.indexOf(name) < position) reader.refuse([...path, position], 'is given twice; keep one of them');
  }
}

/** What to write in place of a name that is none. */
function knownPeers(names: readonly string[]): string {
  return names.length === 0 ? 'name it under peers first' : `write one of ${names.join(', ')}`;
}

async function resolvePeer(name: string, value: unknown, reader: SectionReader): Promise<PeerConfig | undefined> {
  const path = ['peers', name];
  if (!PEER_NAME.test(name)) reader.refuse(path, 'is not a name; use letters, digits, dots, dashes and underscores');
  const raw = reader.read(peerSchema, value, path);
  const credentials = await resolveCredentials(fieldOf(value, 'credentials'), [...path, 'credentials'], reader);
  const proxy = await resolveProxy(value, path, reader);
  const caFile = await reader.file(value, path, 'ca');
  if (raw === undefined) return undefined;
  return {
    name,
    site: raw.site ?? name,
    url: raw.url,
    ...(credentials && { credentials }),
    maxJobs: raw.maxJobs,
    maxConnections: raw.maxConnections,
    ...(raw.bandwidth !== undefined && { bandwidthBytesPerSecond: raw.bandwidth }),
    only: raw.only,
    ...(raw.chunks !== undefined && { chunkBytes: raw.chunks }),
    ...(proxy && { proxy }),
    ...(caFile !== undefined && { caFile }),
    allowHosts: raw.allowHosts,
    timeouts: raw.timeouts,
  };
}
