import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import type { ReplicationStatus } from '../src/replication/replication-operations.ts';
import { pushDescribed, pushManifest } from '../test/conformance/support/push.ts';
import { seededBytes } from '../test/support/bytes.ts';
import { type Entrepot, startEntrepot } from '../test/support/entrepot.ts';
import { IMAGE_MEDIA_TYPES } from '../test/support/images.ts';
import { freePort, type RunningProcess, startProcess } from '../test/support/process.ts';
import { type Latencies, latencies } from './latencies.ts';
import { requirePrograms } from './require-programs.ts';

/**
 * How long manifests take while ten thousand events are planned, and while they are sent, beside how long they take while
 * they wait. The moments are measured in turns, since machines have moods.
 */
const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 10_000);
const ROUNDS = 5;
const SECONDS = 4;
/** Events are planned at some thousands a second. */
const PLANNING_SECONDS = 2;

requirePrograms(['wrk']);
const peerPort = await freePort();
const later = Array.from({ length: ROUNDS }, (_, round) => `later-${round}`);
const policy = [{ who: ['anonymous'], may: ['pull', 'push'], in: ['local/**'] }];
await using near = await startEntrepot({
  config: {
    upstreams: {},
    hosted: ['local'],
    access: { policy },
    peers: { far: { url: `http://127.0.0.1:${peerPort}` } },
    replication: [
      { name: 'all', repositories: ['local/**'], to: ['far'] },
      ...later.map((name) => ({ name, repositories: ['local/**'], to: ['far'], trigger: 'manual' })),
    ],
  },
});
console.error(`pushing ${EVENTS} manifests ...`);
await pushManifests(near);
// What was pushed is written to the disk by and by.
await sleep(5000);
console.error(`${await jobsLeft(near)} jobs wait for the peer, which is down; measuring ...`);
const url = `${near.url}/v2/local/app/manifests/t0`;
await latencies(url, SECONDS);
for (const rule of ['all', ...later]) await call(near, 'pause', { rule });
await using _peer = await startPeer();
// It is not waited for until it is tried again by itself.
await call(near, 'retry');
const figures: Record<'idle' | 'planning' | 'sending', Latencies[]> = { idle: [], planning: [], sending: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  await call(near, 'pause', { rule: 'all' });
  figures.idle.push(await latencies(url, SECONDS));
  figures.planning.push(await whilePlanning(near, `later-${round}`));
  await call(near, 'resume', { rule: 'all' });
  const before = await jobsLeft(near);
  figures.sending.push(await latencies(url, SECONDS));
  console.error(`${Math.round((before - (await jobsLeft(near))) / SECONDS)} jobs a second were done meanwhile`);
}
const p99 = { idle: bestOf('idle'), planning: bestOf('planning'), sending: bestOf('sending') };
console.table(
  Object.fromEntries(
    Object.entries(p99).map(([moment, figure]) => [
      moment,
      { ...figure, 'p99 / idle': Number((figure.p99Ms / p99.idle.p99Ms).toFixed(2)) },
    ]),
  ),
);
process.exit(0);

/** It would be on another machine: here it takes what nobody else wants. */
function startPeer(): Promise<RunningProcess> {
  const program = fileURLToPath(new URL('./hungry-peer.ts', import.meta.url));
  const ready = () =>
    fetch(`http://127.0.0.1:${peerPort}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  return startProcess('nice', ['-n', '19', process.execPath, program, String(peerPort)], { ready });
}

async function pushManifests({ url: registry }: Entrepot): Promise<void> {
  const client = { url: registry, user: undefined, repository: 'local/app' };
  const types = IMAGE_MEDIA_TYPES.oci;
  const config = await pushDescribed(client, Buffer.from('{}'), types.config);
  const layers = [await pushDescribed(client, seededBytes(1000, 'bench'), types.layer)];
  const base = { schemaVersion: 2, mediaType: types.manifest, config, layers };
  await pLimit(8).map(Array.from({ length: EVENTS }), (_, number) =>
    pushManifest(client, `t${number}`, { ...base, annotations: { number: `${number}` } }),
  );
}

/** Measures while a rule is looked through for the first time, and a job is made of each of its tags. */
async function whilePlanning(program: Entrepot, rule: string): Promise<Latencies> {
  const startMs = performance.now();
  let tookMs: number | undefined;
  const planning = call(program, 'run', { rule }).then(() => (tookMs = performance.now() - startMs));
  const result = await latencies(url, PLANNING_SECONDS);
  if (tookMs !== undefined) console.error(`planning was over after ${Math.round(tookMs)} ms`);
  await planning;
  return result;
}

/** Of the quietest round: what else goes on on the machine only adds to it. */
function bestOf(moment: keyof typeof figures): Latencies {
  const [best] = figures[moment].toSorted((one, other) => one.p99Ms - other.p99Ms);
  return best ?? { p50Ms: Number.NaN, p99Ms: Number.NaN, requestsPerSecond: Number.NaN };
}

async function call({ adminUrl }: Entrepot, action: string, body: object = {}): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${adminUrl}/api/v1/replication/${action}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${action} was answered ${answer.status}: ${text}`);
}

async function jobsLeft({ adminUrl }: Entrepot): Promise<number> {
  const { links } = (await (await fetch(`${adminUrl}/api/v1/replication`)).json()) as ReplicationStatus;
  return links
    .filter(({ rule }) => rule === 'all')
    .flatMap(({ jobs }) => Object.values(jobs))
    .reduce((sum, count) => sum + count, 0);
}
