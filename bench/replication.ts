import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { ReplicationStatus } from '../src/replication/replication-operations.ts';
import { pushDescribed, pushManifest } from '../test/conformance/support/push.ts';
import { seededBytes } from '../test/support/bytes.ts';
import { type Entrepot, startEntrepot } from '../test/support/entrepot.ts';
import { IMAGE_MEDIA_TYPES } from '../test/support/images.ts';
import { openHungryPeer } from './hungry-peer.ts';
import { type Latencies, latencies } from './latencies.ts';
import { requirePrograms } from './require-programs.ts';

/**
 * How long manifests take while ten thousand events wait to be replicated, are looked through, and are sent. The moments are
 * measured in turns, since machines have moods.
 */
const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 10_000);
const ROUNDS = 5;
const SECONDS = 4;

requirePrograms(['wrk']);
await using peer = await openHungryPeer();
await peer.stop();
const policy = [{ who: ['anonymous'], may: ['pull', 'push'], in: ['local/**'] }];
await using near = await startEntrepot({
  config: {
    upstreams: {},
    hosted: ['local'],
    access: { policy },
    peers: { far: { url: peer.url } },
    replication: [{ name: 'all', repositories: ['local/**'], to: ['far'] }],
  },
});
console.error(`pushing ${EVENTS} manifests ...`);
await pushManifests(near);
// What was pushed is written to the disk by and by.
await sleep(5000);
console.error(`${await jobsLeft(near)} jobs wait for the peer, which is down; measuring ...`);
const url = `${near.url}/v2/local/app/manifests/t0`;
await latencies(url, SECONDS);
await peer.restart();
const figures: Record<'idle' | 'planning' | 'sending', Latencies[]> = { idle: [], planning: [], sending: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  await call(near, 'pause');
  figures.idle.push(await latencies(url, SECONDS));
  figures.planning.push(await whilePlanning(near, () => latencies(url, SECONDS)));
  await call(near, 'resume');
  while ((await jobsLeft(near)) >= EVENTS) await sleep(50);
  const before = await jobsLeft(near);
  figures.sending.push(await latencies(url, SECONDS));
  console.error(`${Math.round((before - (await jobsLeft(near))) / SECONDS)} jobs a second were done meanwhile`);
}
const p99 = { idle: medianOf('idle'), planning: medianOf('planning'), sending: medianOf('sending') };
console.table(
  Object.fromEntries(
    Object.entries(p99).map(([moment, figure]) => [
      moment,
      { ...figure, 'p99 / idle': Number((figure.p99Ms / p99.idle.p99Ms).toFixed(2)) },
    ]),
  ),
);
process.exit(0);

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

/** All that the rule is about is looked through again and again, and jobs are made of it. */
async function whilePlanning(program: Entrepot, work: () => Promise<Latencies>): Promise<Latencies> {
  let isOver = false;
  const planning = (async () => {
    while (!isOver) await call(program, 'run', { rule: 'all' });
  })();
  const result = await work();
  isOver = true;
  await planning;
  return result;
}

/** Of the round whose p99 is in the middle. */
function medianOf(moment: keyof typeof figures): Latencies {
  const sorted = figures[moment].toSorted((one, other) => one.p99Ms - other.p99Ms);
  return sorted[Math.floor(sorted.length / 2)] ?? { p50Ms: 0, p99Ms: Number.NaN, requestsPerSecond: 0 };
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
  return links.flatMap(({ jobs }) => Object.values(jobs)).reduce((sum, count) => sum + count, 0);
}
