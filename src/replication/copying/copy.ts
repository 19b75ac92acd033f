import type { ReplicationJob } from '../../metadata/replication-index.ts';
import type { Pace, Peer } from '../../upstream/peer.ts';
import type { ReplicationRule } from '../rule.ts';

/** One job on its way. */
export interface CopyRequest {
  readonly job: ReplicationJob;
  readonly rule: ReplicationRule;
  readonly peer: Peer;
  readonly pace: Pace;
  readonly signal: AbortSignal;
  /** May it fetch from upstreams what is missing here? */
  readonly mayFetch: boolean;
  /** Bytes of blobs and manifests as they are sent. */
  readonly onSent: (bytes: number) => void;
  /** Keeps what the next try needs, as {@link ReplicationJob.progress}. */
  readonly saveProgress: (progress: string | undefined) => Promise<void>;
}

/**
 * What became of it. `copied`: it was sent, or a part of it was. `present`: the peer had it all, or the rule is not about
 * it. `kept`: the peer's tag was set later, and stays; of a manifest that was deleted here: the peer has a tag for it that
 * was not. `deleted`, `absent`: of deletions. `vanished`: it is not here any more, and no deletion. `incomplete`: a part of
 * it is not here yet.
 */
export interface CopyResult {
  readonly outcome: 'copied' | 'present' | 'kept' | 'deleted' | 'absent' | 'vanished' | 'incomplete';
  /** What the reference stands for here. */
  readonly digest: string | undefined;
  readonly sentBytes: number;
  readonly sentBlobs: number;
  readonly mountedBlobs: number;
  readonly presentBlobs: number;
  /** The peer did not take an index with a part of its children, so that it was sent all of them. */
  readonly isSparseRefused: boolean;
  /** Of `incomplete`: what is missing. */
  readonly missing?: string;
}

/** Makes one reference the same at a peer as it is here. @throws UpstreamError, RegistryError */
export type Copy = (request: CopyRequest) => Promise<CopyResult>;
