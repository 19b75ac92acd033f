import type { Pace, Peer } from '../../upstream/peer.ts';
import type { ReplicationRule } from '../rule.ts';

/** One rule and one of its peers. */
export interface Link {
  readonly rule: ReplicationRule;
  readonly peer: Peer;
  /** For what is sent to ask the peer. */
  readonly pace?: Pace;
}
