import { expect } from 'vitest';
import type { MetadataIndex } from '../../../src/metadata/metadata-index.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { HealthTimes } from '../../../src/replication/peer-health.ts';
import { Replication, type ReplicationOptions, type ReplicationPeer } from '../../../src/replication/replication.ts';
import type { PeerLimits, ReplicationRule } from '../../../src/replication/rule.ts';
import { openSqliteIndex } from '../../metadata/support/open-sqlite-index.ts';
import { quietTelemetry } from '../../upstream/connect.ts';
import { EnginePeer } from './engine-peer.ts';
import { ScriptedCopy } from './scripted-copy.ts';
import { digestFor } from './scripted-peer.ts';
import { APP, ruleWith } from './site.ts';

/** Short enough for tests. */
const HEALTH_TIMES: HealthTimes = { firstPauseMs: 20, maxPauseMs: 60, checkMs: 60_000, trialMs: 50, pingMs: 5000 };

export interface StageOptions extends Partial<Omit<ReplicationOptions, 'here' | 'rules' | 'peers' | 'copy'>> {
  readonly rules?: readonly Partial<ReplicationRule>[];
  readonly peers?: readonly WantedPeer[];
}

/** A name, with what is not as usual. */
type WantedPeer = Partial<PeerLimits> & { readonly name: string; readonly url?: URL };

/** Replication on a real index, with copying and peers that a test scripts. */
export interface Stage extends AsyncDisposable {
  readonly index: MetadataIndex;
  readonly replication: Replication;
  readonly copying: ScriptedCopy;
  /** The first peer, or that of the name. */
  peer(name?: string): EnginePeer;
  /** A client pushes a manifest. @param tag undefined: by digest */
  push(tag: string | undefined, repository?: string): Promise<Digest>;
  untag(tag: string, repository?: string): Promise<void>;
  /** Ends replication and index, and begins again, with other rules if they are given. */
  restart(options?: StageOptions): Promise<void>;
  /** Ends replication only. */
  stop(): Promise<void>;
  /** Begins again. */
  start(options?: StageOptions): Promise<void>;
}

export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const opened = await openSqliteIndex();
  let index = opened.index;
  let current = options;
  const peers = new Map<string, EnginePeer>();
  const copying = new ScriptedCopy();
  let pushes = 0;
  const open = () => {
    const { rules = [{}], peers: wanted = [{ name: 'us-east' }], ...rest } = current;
    const clients = wanted.map((limits) => peerWith(limits, peers));
    return new Replication({
      here: { index },
      rules: rules.map(ruleWith),
      peers: clients,
      copy: copying.copy,
      telemetry: quietTelemetry(),
      healthTimes: HEALTH_TIMES,
      ...rest,
    });
  };
  let replication = open();
  const begin = async () => {
    await replication.prepare();
    replication.run();
  };
  await begin();
  const stage: Stage = {
    get index() {
      return index;
    },
    get replication() {
      return replication;
    },
    copying,
    peer: (name) => {
      const peer = name === undefined ? [...peers.values()][0] : peers.get(name);
      if (!peer) throw new Error(`there is no peer ${name}`);
      return peer;
    },
    push: async (tag, repository = APP) => {
      pushes += 1;
      const digest = digestFor(`manifest ${pushes}`);
      const tags = tag === undefined ? [] : [tag];
      const about = { repository, digest, mediaType: OCI_MANIFEST, sizeBytes: 100, artifactType: undefined };
      await index.pushManifest({ ...about, references: [], tags, atMs: Date.now() }, [], { actor: 'alice' });
      return digest;
    },
    untag: async (tag, repository = APP) => {
      await index.deleteTag(repository, tag, { actor: 'alice' });
    },
    stop: () => replication[Symbol.asyncDispose](),
    start: async (changed) => {
      current = changed ?? current;
      replication = open();
      await begin();
    },
    restart: async (changed) => {
      await stage.stop();
      index = await opened.reopen();
      await stage.start(changed);
    },
    [Symbol.asyncDispose]: async () => {
      await replication[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
  return stage;
}

function peerWith({ name, ...limits }: WantedPeer, peers: Map<string, EnginePeer>): ReplicationPeer {
  const client = peers.get(name) ?? new EnginePeer(name);
  peers.set(name, client);
  return { name, site: name, maxJobs: 4, maxConnections: 4, only: [], ...limits, client };
}

/** How the link of that rule and peer is; without names the first one. */
export async function linkOf({ replication }: Stage, rule?: string, peer?: string) {
  const { links } = await replication.status();
  const link = links.find((one) => (rule ?? one.rule) === one.rule && (peer ?? one.peer) === one.peer);
  if (!link) throw new Error('there is no such link');
  return link;
}

/** How many jobs there are, in whichever state. */
export async function jobsLeft({ index }: Stage): Promise<number> {
  return (await index.listJobs({ limit: 100_000 })).length;
}

/** Waits until nothing is left to do and nothing is late. */
export async function untilDone(stage: Stage, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { links } = await stage.replication.status();
    const isDone = links.every(({ jobs, lagSeconds }) => lagSeconds === 0 && Object.values(jobs).every((n) => n === 0));
    if (isDone) return;
    if (performance.now() > deadline) throw new Error(`not done: ${JSON.stringify(links)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Five tags were deleted, which is more than the rule allows: their deletions wait for an operator. @returns the tags */
export async function holdDeletions(stage: Stage): Promise<readonly string[]> {
  const tags = ['v1', 'v2', 'v3', 'v4', 'v5'];
  for (const tag of tags) await stage.push(tag);
  await untilDone(stage);
  await stage.replication.operations.pause({});
  for (const tag of tags) await stage.untag(tag);
  await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(5);
  await stage.replication.operations.resume({});
  await expect.poll(async () => (await linkOf(stage)).jobs.held).toBe(5);
  return tags;
}
