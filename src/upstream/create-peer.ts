import type { Telemetry } from '../telemetry/telemetry.ts';
import { Account } from './account.ts';
import type { UpstreamOptions, UpstreamOverrides } from './create-upstream.ts';
import type { UpstreamCredentials } from './credentials.ts';
import { sendByNetwork } from './network.ts';
import { observing } from './observe.ts';
import { openLine } from './open-line.ts';
import { pacing } from './pacing.ts';
import { PeerClient } from './peer-client.ts';
import type { Peer } from './peer.ts';
import { retrying } from './retries.ts';

/** A peer as it is reached. */
export interface PeerOptions
  extends Pick<
    UpstreamOptions,
    'name' | 'url' | 'proxy' | 'ca' | 'allowHosts' | 'timeouts' | 'retries' | 'manifestLimitBytes' | 'userAgent'
  > {
  /** Absent: anonymous. */
  readonly credentials?: UpstreamCredentials;
  /** Blobs go in parts of so many bytes; absent: in one, as most registries like it best. */
  readonly chunkBytes?: number;
}

/** From its headers to its end: what peers answer is short, and none may keep a call from ending byte by byte. */
const ANSWER_MS = 600_000;

/**
 * A registry to push to. Its requests go down the same stack as an upstream's, with one account and with a pace near the
 * network, but without a circuit breaker: who replicates knows which peers are down, and nothing holds back its probes.
 */
export function createPeer(options: PeerOptions, telemetry: Telemetry, overrides: UpstreamOverrides = {}): Peer {
  const { chunkBytes, credentials, manifestLimitBytes, name: upstream, retries, timeouts, userAgent } = options;
  const { now = () => performance.now() } = overrides;
  const { url, guard, dispatcher } = openLine(options, overrides);
  // Each blob is asked for by HEAD, and a new connection over a long way costs more than the blob.
  const keeping = { keepsAfterHead: true, answerMs: ANSWER_MS };
  const sent = sendByNetwork(dispatcher, { upstream, userAgent, timeouts, ...keeping });
  const observed = observing(sent, (request) => telemetry.peers.answered({ peer: upstream, ...request }));
  const onBytes = (bytes: number) => telemetry.peers.sent(upstream, bytes);
  const network = pacing(observed, { upstream, userAgent, onBytes });
  const account = new Account(credentials, {
    upstream,
    url,
    guard,
    network,
    rateReserve: 0,
    telemetry: {
      credentialsRefused: ({ repository, reason }) =>
        telemetry.peers.credentialsRefused({ peer: upstream, repository, reason }),
      // Numbers of a pull limit mean nothing to who pushes.
      rateLimitSeen: () => undefined,
    },
    now,
  });
  const send = retrying(account.send, { upstream, retries });
  const close = () => dispatcher.destroy();
  return new PeerClient({ upstream, base: url, send }, { guard, manifestLimitBytes, chunkBytes, close });
}
