import type { Config, PeerConfig } from './config/config.ts';
import type { MetadataIndex } from './metadata/metadata-index.ts';
import { commonOf, trustOf } from './open-upstreams.ts';
import type { EventOutlet } from './registry/events/event-outlet.ts';
import type { Registry } from './registry/registry.ts';
import { artifactTypes } from './replication/comparing/artifact-types.ts';
import { createCopy } from './replication/copying/create-copy.ts';
import { Replication, type ReplicationPeer } from './replication/replication.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { createPeer } from './upstream/create-peer.ts';

interface Surroundings {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly index: MetadataIndex;
  readonly registry: Registry;
  readonly events: Pick<EventOutlet, 'onTrim'>;
  /** Whatever is opened is disposed of with it. */
  readonly opened: AsyncDisposableStack;
}

/** Of one request, within a second or two; who replicates tries again for as long as it takes. */
const RETRIES = 1;

/**
 * Replication as it is configured. From now on it knows what happens; nothing is sent before it runs.
 * @throws CodedError CA_UNREADABLE, MetadataError
 */
export async function openReplication(surroundings: Surroundings): Promise<Replication> {
  const { config, telemetry, index, registry, events, opened } = surroundings;
  const { site, replication: rules } = config;
  const named = new Set(rules.flatMap(({ to }) => to));
  const sentTo = config.peers.filter(({ name }) => named.has(name));
  const peers = await Promise.all(sentTo.map((peer) => openPeer(peer, surroundings)));
  const copy = createCopy({ index, local: registry.local, telemetry, site, peers });
  const here = { index, takesType: artifactTypes(registry.local) };
  const replication = opened.use(new Replication({ here, site, rules, peers, copy, telemetry }));
  await replication.prepare();
  opened.use(events.onTrim((gone) => replication.abandon(gone)));
  return replication;
}

async function openPeer(peer: PeerConfig, { config, telemetry, opened }: Surroundings): Promise<ReplicationPeer> {
  const options = { ...peer, ...(await trustOf(peer)), ...commonOf(config), retries: RETRIES };
  return { ...peer, client: opened.use(createPeer(options, telemetry)) };
}
