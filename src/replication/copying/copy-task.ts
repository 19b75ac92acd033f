import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Peer, PeerCallOptions, PushOrigin } from '../../upstream/peer.ts';
import type { LocalContent } from '../../registry/local-content.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Link } from '../comparing/link.ts';
import type { CompiledRule } from './compiled-rule.ts';
import type { PeerMemory } from './peer-memory.ts';
import type { Tally } from './tally.ts';
import type { UploadSessions } from './upload-sessions.ts';

/** What copying looks up in the index. */
export type CopyIndex = Pick<
  MetadataIndex,
  'findManifest' | 'findTagState' | 'findTombstone' | 'listRoots' | 'listTagRows' | 'rootsAbove'
>;

/** A job with all it takes to do it. */
export interface CopyTask {
  /** The repository's name here, in full. */
  readonly repository: string;
  /** Its name at the peer. */
  readonly path: string;
  readonly index: CopyIndex;
  readonly local: LocalContent;
  readonly telemetry: Telemetry;
  /** Our own name. */
  readonly site: string;
  readonly rule: CompiledRule;
  readonly link: Link;
  readonly peer: Peer;
  readonly memory: PeerMemory;
  readonly sessions: UploadSessions;
  readonly tally: Tally;
  readonly mayFetch: boolean;
  readonly signal: AbortSignal;
  /** For each request to the peer. */
  readonly call: PeerCallOptions;
  /** Of what no tag brings. */
  readonly origin: PushOrigin;
}
