import { readFile } from 'node:fs/promises';
import type { Config, PeerConfig, UpstreamConfig } from './config/config.ts';
import { HostedSources } from './registry/hosted-sources.ts';
import { UpstreamRules } from './registry/rules.ts';
import { Upstreams, UpstreamSite } from './registry/upstreams.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { createSibling } from './upstream/create-sibling.ts';
import { createUpstream } from './upstream/create-upstream.ts';
import { ReceiveMemory } from './upstream/receive-memory.ts';
import type { Sibling } from './upstream/sibling.ts';
import { Siblings } from './upstream/siblings.ts';
import type { Upstream } from './upstream/upstream.ts';
import { CodedError } from './util/coded-error.ts';
import { VERSION } from './version.ts';

interface Surroundings {
  readonly config: Config;
  readonly telemetry: Telemetry;
  /** Whatever is opened is disposed of with it. */
  readonly opened: AsyncDisposableStack;
}

/** The same for all clients of registries that blobs are fetched from. */
interface Shared extends Surroundings {
  readonly memory: ReceiveMemory;
}

/** Makes one group of siblings out of the names of peers; undefined: it has none. */
type GroupSiblings = (names: readonly string[]) => Siblings | undefined;

/**
 * The upstreams of the configuration with the sites that are asked beside them. Nobody is asked for anything.
 * @throws CodedError CA_UNREADABLE
 */
export async function openUpstreams(surroundings: Surroundings): Promise<Upstreams> {
  const { config, opened } = surroundings;
  const shared = { ...surroundings, memory: new ReceiveMemory() };
  const group = await openSiblings(shared);
  const sites = await Promise.all(
    config.upstreams.map(async (upstream) => {
      const client = await openUpstream(upstream, shared);
      return new UpstreamSite(client, new UpstreamRules(upstream), upstream.offline, group(upstream.siblings));
    }),
  );
  const sources = new HostedSources(
    config.hostedRules.map(({ repositories, siblings }) => ({ repositories, siblings: group(siblings) })),
  );
  const defaultName = config.upstreams.find((upstream) => upstream.isDefault)?.name;
  return opened.use(new Upstreams(sites, defaultName, config.hosted, sources));
}

/** One client for each peer that is somebody's sibling. */
async function openSiblings({ config, telemetry, opened, memory }: Shared): Promise<GroupSiblings> {
  const named = new Set([...config.upstreams, ...config.hostedRules].flatMap(({ siblings }) => siblings));
  const siblings = new Map<string, Sibling>();
  for (const peer of config.peers.filter(({ name }) => named.has(name))) {
    const { sibling, client } = createSibling({ ...(await optionsOf(peer, config)), memory }, telemetry);
    opened.use(client);
    siblings.set(peer.name, sibling);
  }
  return (names) => {
    const all = names.flatMap((name) => siblings.get(name) ?? []);
    return all.length === 0 ? undefined : new Siblings(all);
  };
}

async function optionsOf(peer: PeerConfig, config: Config): Promise<Parameters<typeof createSibling>[0]> {
  const { name, site, url, credentials, maxConnections, proxy, allowHosts, timeouts } = peer;
  return {
    name,
    site,
    url,
    credentials: credentials ? [credentials] : [],
    maxConnections,
    ...(proxy && { proxy }),
    ...(await trustOf(peer)),
    allowHosts,
    timeouts,
    ...commonOf(config),
  };
}

async function openUpstream(upstream: UpstreamConfig, { config, telemetry, memory }: Shared): Promise<Upstream> {
  return createUpstream({ ...upstream, ...(await trustOf(upstream)), ...commonOf(config), memory }, telemetry);
}

/** What all clients of registries have in common. */
export function commonOf({ pull }: Config): { manifestLimitBytes: number; userAgent: string } {
  return { manifestLimitBytes: pull.manifestLimitBytes, userAgent: `entrepot/${VERSION}` };
}

/** The certificates of a file that is configured for it. @throws CodedError CA_UNREADABLE */
export async function trustOf({ name, caFile }: Pick<UpstreamConfig, 'name' | 'caFile'>): Promise<{ ca?: string }> {
  if (caFile === undefined) return {};
  try {
    return { ca: await readFile(caFile, 'utf8') };
  } catch (cause) {
    throw new CodedError('CA_UNREADABLE', `the CA file of ${name} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}
