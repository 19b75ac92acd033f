import { expect, test } from 'vitest';
import type { DiffReport } from '../../../src/replication/replication-operations.ts';
import { ship } from '../../conformance/support/push.ts';
import { send } from '../../conformance/support/send.ts';
import { buildImage, buildIndex } from '../../support/images.ts';
import { freePort } from '../../support/process.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { peerAt, type Site, startSite } from './support/site.ts';
import { arrival, digestAt, rest, until } from './support/wait.ts';

const LOCAL = { name: 'all', repositories: ['local/**'] };

test('what is pushed to one site is pulled from the other, whole, and each byte is sent once', async () => {
  await using us = await startSite({ name: 'us' });
  await using eu = await startSite({
    name: 'eu',
    config: { peers: { us: peerAt(us.host) }, replication: [{ ...LOCAL, to: ['us'] }] },
  });
  const index = await ship(eu.client('local/app'), (target) =>
    buildIndex(target, '', 'v1', { layers: [300_000, 5_000] }),
  );
  await arrival(us, 'local/app', 'v1', index.digest);
  await rest(eu);
  const here = await pullWhole(eu.client('local/app'), 'v1');
  expect(await pullWhole(us.client('local/app'), 'v1')).toEqual(here);
  const sentOnce = await eu.metric('entrepot_replication_sent_bytes_total');
  expect(await us.metric('entrepot_pushed_bytes_total')).toBe(sentOnce);

  // A second name for the same sends nothing but a manifest, in another repository nothing but that either.
  await ship(eu.client('local/app'), (target) => buildIndex(target, '', 'v2', { layers: [300_000, 5_000] }));
  await ship(eu.client('local/other'), (target) => buildIndex(target, '', 'v2', { layers: [300_000, 5_000] }));
  await arrival(us, 'local/app', 'v2', index.digest);
  await arrival(us, 'local/other', 'v2', index.digest);
  await rest(eu);
  expect(await eu.metric('entrepot_replication_sent_bytes_total')).toBeLessThan(sentOnce + 10_000);
  expect(await pullWhole(us.client('local/other'), 'v2')).toEqual(here);
});

test('two sites that send to each other come to rest, and agree on a tag that was set at both', async () => {
  const [euPort, usPort] = [await freePort(), await freePort()];
  const site = (name: string, port: number, other: string, otherPort: number) =>
    startSite({
      name,
      port,
      config: {
        peers: { [other]: peerAt(`127.0.0.1:${otherPort}`) },
        replication: [{ ...LOCAL, to: [other], deletes: true, grace: '0s' }],
      },
    });
  await using eu = await site('eu', euPort, 'us', usPort);
  await using us = await site('us', usPort, 'eu', euPort);
  const first = await ship(eu.client('local/app'), (target) => buildImage(target, '', 'v1', { seed: 1 }));
  await arrival(us, 'local/app', 'v1', first.digest);
  await Promise.all([rest(eu), rest(us)]);
  // It did not come back.
  expect(await us.metric('entrepot_replication_sent_bytes_total')).toBe(0);

  // At once: each is set where the other is not known yet.
  await Promise.all([
    runJsonCommand(eu.adminUrl, 'replication', 'pause'),
    runJsonCommand(us.adminUrl, 'replication', 'pause'),
  ]);
  const ofEu = await ship(eu.client('local/app'), (target) => buildImage(target, '', 'v1', { seed: 2 }));
  const ofUs = await ship(us.client('local/app'), (target) => buildImage(target, '', 'v1', { seed: 3 }));
  await Promise.all([
    runJsonCommand(eu.adminUrl, 'replication', 'resume'),
    runJsonCommand(us.adminUrl, 'replication', 'resume'),
  ]);
  // The later one counts.
  await arrival(eu, 'local/app', 'v1', ofUs.digest);
  await Promise.all([rest(eu), rest(us)]);
  expect(await digestAt(us, 'local/app', 'v1')).toBe(ofUs.digest);
  expect(await pullWhole(eu.client('local/app'), ofEu.digest), 'the loser, by its digest').toHaveLength(3);
  const conflicts = await Promise.all([eu, us].map((each) => each.metric('entrepot_replication_conflicts_total')));
  expect(Math.max(...conflicts)).toBeGreaterThan(0);

  // A deletion goes over too, and stays.
  await send(us.client('local/app'), 'DELETE', 'manifests/v1');
  await until('v1 is gone at eu', async () => (await digestAt(eu, 'local/app', 'v1')) === undefined);
  await Promise.all([rest(eu), rest(us)]);
  expect(await digestAt(us, 'local/app', 'v1')).toBe(undefined);
  const diff = await runJsonCommand<DiffReport>(eu.adminUrl, 'replication', 'diff', 'us');
  expect(diff.differences).toEqual([]);
});

test('a ring of three sites passes everything on once around, and comes to rest', async () => {
  const names = ['a', 'b', 'c'];
  const ports = await Promise.all(names.map(() => freePort()));
  await using sites = new AsyncDisposableStack();
  const all: Site[] = [];
  for (const [position, name] of names.entries()) {
    const next = (position + 1) % names.length;
    const to = names[next] ?? '';
    const config = {
      peers: { [to]: peerAt(`127.0.0.1:${ports[next]}`) },
      replication: [{ ...LOCAL, to: [to] }],
    };
    all.push(sites.use(await startSite({ name, port: ports[position] ?? 0, config })));
  }
  const images = [];
  for (const [seed, site] of all.entries()) {
    images.push(await ship(site.client('local/app'), (target) => buildImage(target, '', `v${seed}`, { seed })));
  }
  for (const site of all) {
    for (const [seed, image] of images.entries()) await arrival(site, 'local/app', `v${seed}`, image.digest);
  }
  await Promise.all(all.map((site) => rest(site)));
  const sent = async () => Promise.all(all.map((site) => site.metric('entrepot_replication_sent_bytes_total')));
  const before = await sent();
  // Moved at two of them: the last one counts everywhere.
  const [a, b] = all;
  if (!a || !b) throw new Error('there are three');
  await ship(a.client('local/app'), (target) => buildImage(target, '', 'v0', { seed: 7 }));
  const last = await ship(b.client('local/app'), (target) => buildImage(target, '', 'v0', { seed: 8 }));
  for (const site of all) await arrival(site, 'local/app', 'v0', last.digest);
  await Promise.all(all.map((site) => rest(site)));
  const after = await sent();
  // Two images of one layer each, twice around at most.
  expect(after.reduce((sum, bytes) => sum + bytes, 0) - before.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(
    20_000,
  );
});
