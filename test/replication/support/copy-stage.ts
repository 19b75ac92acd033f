import type { ReplicationJob } from '../../../src/metadata/replication-index.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Copy, CopyResult } from '../../../src/replication/copying/copy.ts';
import { createCopy } from '../../../src/replication/copying/create-copy.ts';
import type { ReplicationRule } from '../../../src/replication/rule.ts';
import type { Peer } from '../../../src/upstream/peer.ts';
import { ruleWith } from './site.ts';
import type { TestSite } from './test-site.ts';

/** What a test says of one job. */
interface JobToRun {
  readonly repository?: string;
  readonly deleted?: Digest;
  readonly rule?: ReplicationRule;
  readonly mayFetch?: boolean;
  readonly signal?: AbortSignal;
  /** Of an earlier try. */
  readonly progress?: string | undefined;
}

/** Jobs of one site for one peer. */
export interface CopyStage {
  /** @param reference a tag or a digest */
  run(reference: string, job?: JobToRun): Promise<CopyResult>;
  /** What was saved last for the next try. */
  progress: string | undefined;
  /** How often something was saved. */
  saves: number;
  /** As it was told while it went on, over all jobs. */
  sentBytes: number;
  /** Told when more was sent. */
  onSent: (sentBytes: number) => void;
}

export const APP = 'local/app';
const RULE = ruleWith({ repositories: ['**'], deletes: true });

/** @param maxConnections blobs at once */
export function openStage(site: TestSite, peer: Peer, maxConnections = 4): CopyStage {
  const copy: Copy = createCopy({
    index: site.index,
    local: site.registry.local,
    telemetry: site.telemetry,
    site: site.name,
    peers: [{ name: peer.name, maxConnections }],
  });
  const stage: CopyStage = {
    progress: undefined,
    saves: 0,
    sentBytes: 0,
    onSent: () => undefined,
    run: (reference, { rule = RULE, mayFetch = false, signal = new AbortController().signal, ...job } = {}) =>
      copy({
        job: jobOf(reference, job),
        rule,
        peer,
        pace: { take: async () => undefined },
        signal,
        mayFetch,
        onSent: (bytes) => {
          stage.sentBytes += bytes;
          stage.onSent(stage.sentBytes);
        },
        saveProgress: async (progress) => {
          stage.progress = progress;
          stage.saves += 1;
        },
      }),
  };
  return stage;
}

function jobOf(reference: string, { repository = APP, deleted, progress }: JobToRun): ReplicationJob {
  return {
    id: 1,
    rule: 'all',
    peer: 'us-east',
    repository,
    reference,
    sequence: 7,
    sinceMs: 1_700_000_000_000,
    priority: 0,
    deleted,
    dueAtMs: 0,
    sizeBytes: undefined,
    state: 'running',
    attempts: 0,
    reason: undefined,
    progress,
  };
}
