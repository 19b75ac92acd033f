import { expect, test } from 'vitest';
import type { HistoryStatus } from '../../../src/replication/replication-operations.ts';
import { ship } from '../../conformance/support/push.ts';
import type { Client } from '../../conformance/support/send.ts';
import { buildImage } from '../../support/images.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { Proxy, type Trouble } from './support/proxy.ts';
import { peerAt, type Site, startSite } from './support/site.ts';
import { digestAt, rest, until } from './support/wait.ts';

const MIB = 1024 * 1024;
const TROUBLES: Readonly<Record<string, Trouble>> = {
  away: 'away',
  limited: 429,
  failing: 500,
  refusing: 401,
  slow: 'slow',
  hanging: 'hangs',
};
const NAMES = Object.keys(TROUBLES);
/** Of those that do not answer; who is slow takes longer than that. */
const TIMEOUTS = { connect: '2s', headers: '2s', stall: '2s' };
/** A peer that was away so long is tried again after as long, and a password that was refused rests for a minute. */
const PATIENCE_MS = 100_000;

function ruleTo(peer: string): object {
  return { name: `to-${peer}`, repositories: ['local/**'], to: [peer], as: `local/at-${peer}/{repository}` };
}

/** @returns the tags' digests */
async function pushTags(client: Client, tags: readonly string[], sizeBytes: number): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const tag of tags) {
    const options = { seed: Number(tag.slice(1)), layers: [sizeBytes] };
    const { digest } = await ship(client, (target) => buildImage(target, '', tag, options));
    digests.set(tag, digest);
  }
  return digests;
}

async function expectThere(far: Site, repository: string, digests: ReadonlyMap<string, string>): Promise<void> {
  for (const [tag, digest] of digests)
    expect(await digestAt(far, repository, tag), `${repository}:${tag}`).toBe(digest);
}

async function history(site: Site): Promise<HistoryStatus[]> {
  const answer = await fetch(`${site.adminUrl}/api/v1/replication/history?limit=500`);
  return ((await answer.json()) as { history: HistoryStatus[] }).history;
}

/** Waits until the lag is seen to grow, in the status and in the metrics, and gives the status. */
async function growth(near: Site, peer: string): Promise<void> {
  const explain = () => near.replication();
  const lag = async () => (await near.link(peer)).lagSeconds;
  await until(`${peer} is late`, async () => (await lag()) > 1, { explain });
  const before = await lag();
  await until(`${peer} is later`, async () => (await lag()) > before + 1, { explain });
  expect(await near.metric('entrepot_replication_lag_seconds', `peer="${peer}"`)).toBeGreaterThan(before);
  expect(await near.metric('entrepot_replication_jobs', `peer="${peer}"`)).toBeGreaterThan(0);
}

test('peers that are away, answer 429, 500 or 401, are slow or hang: lag grows, is seen, and goes; nothing is lost', async () => {
  await using far = await startSite({ name: 'far' });
  await using opened = new AsyncDisposableStack();
  const proxies = new Map<string, Proxy>();
  for (const name of NAMES) proxies.set(name, opened.use(await Proxy.start(far.host)));
  const peers = [...proxies].map(([name, { host }]) => [
    name,
    peerAt(host, { site: 'far', maxJobs: 2, ...(name !== 'slow' && { timeouts: TIMEOUTS }) }),
  ]);
  await using near = await startSite({
    name: 'near',
    config: { peers: Object.fromEntries(peers), replication: NAMES.map(ruleTo) },
  });
  const app = near.client('local/app');
  const before = await pushTags(app, ['v0'], 1000);
  await rest(near);
  for (const name of NAMES) await expectThere(far, `local/at-${name}/local/app`, before);

  for (const [name, proxy] of proxies) await proxy.set(TROUBLES[name] ?? 'none');
  const during = await pushTags(app, ['v1', 'v2', 'v3', 'v4'], MIB / 2);
  // One that moves meanwhile.
  const moved = await ship(app, (target) => buildImage(target, '', 'v0', { seed: 100, layers: [MIB / 2] }));
  during.set('v0', moved.digest);
  await Promise.all(NAMES.map((name) => growth(near, name)));
  // Who is slow takes what there is, and nobody is to be told of it but by the lag.
  const down = NAMES.filter((name) => name !== 'slow');
  const downNow = async () => (await near.replication()).peers.filter(({ isUp }) => !isUp);
  const areDown = async () => (await downNow()).map(({ name }) => name).join() === down.join();
  await until('all but the slow one count as down', areDown, { explain: () => near.replication() });
  for (const { name, error, retryAtMs } of await downNow()) {
    expect(error, name).toMatch(/\S/);
    expect(retryAtMs, name).toBeGreaterThan(0);
    const isUp = () => near.metric('entrepot_replication_peer_up', `peer="${name}"`);
    await until(`the metrics have ${name} as down`, async () => (await isUp()) === 0);
  }
  // A peer in trouble is left alone.
  const asked = Object.fromEntries([...proxies].map(([name, proxy]) => [name, proxy.troubled]));
  console.log('requests while there was trouble:', asked);
  for (const name of ['limited', 'failing', 'refusing', 'hanging']) expect(asked[name], name).toBeLessThan(40);

  const endedAtMs = performance.now();
  await Promise.all([...proxies.values()].map((proxy) => proxy.set('none')));
  await Promise.all(
    NAMES.map(async (name) => {
      const isIdle = async () => (await near.link(name)).lagSeconds === 0;
      await until(`${name} has everything`, isIdle, { timeoutMs: PATIENCE_MS, explain: () => near.replication() });
      console.log(`${name}: all there ${((performance.now() - endedAtMs) / 1000).toFixed(1)} s after the trouble`);
    }),
  );
  await rest(near);
  for (const name of NAMES) await expectThere(far, `local/at-${name}/local/app`, during);
  await until('the metrics have no lag', async () => (await near.metric('entrepot_replication_lag_seconds')) === 0);
  expect(await near.metric('entrepot_replication_peer_up')).toBe(NAMES.length);
  expect((await history(near)).filter(({ outcome }) => outcome === 'parked')).toEqual([]);
});

test('a peer that is full: its jobs wait, the peer counts as there, and all arrives when it has room', async () => {
  await using far = await startSite({ name: 'far', config: { storage: { quota: '6MiB', lowWatermark: '100%' } } });
  await using near = await startSite({
    name: 'near',
    config: {
      peers: { far: peerAt(far.host) },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['far'] }],
    },
  });
  const app = near.client('local/app');
  const digests = await pushTags(app, ['v1', 'v2', 'v3', 'v4'], 2 * MIB);
  await growth(near, 'far');
  // What needs no room still goes over.
  expect((await near.replication()).peers).toMatchObject([{ isUp: true }]);
  const there = await Promise.all([...digests.keys()].map((tag) => digestAt(far, 'local/app', tag)));
  expect(there.filter((digest) => digest !== undefined).length).toBeLessThan(4);
  expect((await near.link('far')).lastError?.message).toMatch(/quota|full|space|room/i);

  await far.stop();
  await far.start({ storage: { quota: '100MiB' } });
  await rest(near);
  await expectThere(far, 'local/app', digests);
  for (const tag of digests.keys()) expect(await pullWhole(far.client('local/app'), tag)).toHaveLength(3);
  expect((await history(near)).filter(({ outcome }) => outcome === 'parked')).toEqual([]);
});
