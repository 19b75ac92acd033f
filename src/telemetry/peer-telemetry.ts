import { Counter, type Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import type { UpstreamRequestKind } from './upstream-request-kind.ts';

/** What is asked of peers, and sent to them: one method each. */
export class PeerTelemetry {
  readonly #log: Logger;
  readonly #requests: Counter<'peer' | 'kind' | 'status'>;
  readonly #sentBytes: Counter<'peer'>;

  constructor(log: Logger, registry: Registry) {
    this.#log = log;
    this.#requests = new Counter({
      name: 'entrepot_peer_requests_total',
      help: 'Requests sent to peers (kind token: to their token servers), by status or error',
      labelNames: ['peer', 'kind', 'status'] as const,
      registers: [registry],
    });
    this.#sentBytes = new Counter({
      name: 'entrepot_peer_sent_bytes_total',
      help: 'All bytes sent to peers: heads of requests, manifests, blobs',
      labelNames: ['peer'] as const,
      registers: [registry],
    });
  }

  /** A peer, or its token server, answered or failed to. @param event.status HTTP status, or an error code */
  answered(event: {
    peer: string;
    kind: UpstreamRequestKind;
    method: string;
    status: number | string;
    seconds: number;
  }): void {
    const { peer, kind, status } = event;
    this.#requests.inc({ peer, kind, status: String(status) });
    this.#log.debug(event, 'peer request');
  }

  /** So many bytes are on their way. */
  sent(peer: string, bytes: number): void {
    this.#sentBytes.inc({ peer }, bytes);
  }

  credentialsRefused(event: { peer: string; repository: string; reason: string }): void {
    this.#log.warn(event, 'peer refused the configured credentials');
  }
}
