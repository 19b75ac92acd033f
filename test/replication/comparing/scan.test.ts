import { describe, expect, test } from 'vitest';
import { createScan, type ScanReport } from '../../../src/replication/comparing/scan.ts';
import { digestFor, ScriptedPeer } from '../support/scripted-peer.ts';
import { APP, jobsOf, openSite, ruleWith } from '../support/site.ts';

const FOREVER = new AbortController().signal;
const HOUR = 3_600_000;

describe('a scan', () => {
  test('makes a job for each reference that its rule is about, whatever the peer has', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    peer.put(APP, 'v1', await site.add({ name: 'v1' }));
    const nameless = await site.add({ name: 'nameless', tags: [] });
    await site.add({ name: 'elsewhere', repository: 'docker.io/library/app' });
    const before = Date.now();
    const report = await createScan(site)({ rule: ruleWith({ priority: 7 }), peer }, { signal: FOREVER });
    expect(report).toEqual({ references: 2, deletions: 0 });
    expect(await jobsOf(site.index)).toEqual([`${APP} ${nameless}`, `${APP} v1`]);
    const [job] = await site.index.leaseJobs({
      peer: 'us-east',
      except: [],
      nowMs: Date.now(),
      untilMs: Date.now() + HOUR,
      limit: 1,
    });
    expect(job).toMatchObject({ rule: 'all', sequence: 0, priority: 7, sizeBytes: 1010, deleted: undefined });
    expect(job?.sinceMs).toBeGreaterThanOrEqual(before);
    expect(peer.asked).toEqual([]);
  });

  test('makes jobs for deletions, due when their time of grace is over, where the peer has the tag still', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    for (const tag of ['here', 'gone', 'gone-there', 'left-out']) await site.add({ name: tag });
    for (const tag of ['gone', 'gone-there', 'left-out']) await site.untag(tag);
    for (const tag of ['here', 'gone', 'left-out']) peer.put(`mirror/${APP}`, tag, digestFor(tag));
    const rule = ruleWith({ deletes: true, graceMs: HOUR, tags: ['gone*', 'here'], as: 'mirror/{repository}' });
    expect(await createScan(site)({ rule, peer }, { signal: FOREVER })).toEqual({ references: 1, deletions: 1 });
    expect(await jobsOf(site.index)).toEqual([`-${APP} gone`, `${APP} here`]);
    const [, job] = (await site.index.listJobs({ limit: 10 })).toSorted((one) => (one.deleted ? 1 : -1));
    expect(job).toMatchObject({ reference: 'gone', deleted: digestFor('gone') });
    expect(job?.dueAtMs).toBeGreaterThan(Date.now() + HOUR / 2);
  });

  test('finds what was deleted in repositories that hold nothing any more', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    const names = Array.from({ length: 130 }, (_, number) => `local/gone-${String(number).padStart(3, '0')}`);
    for (const repository of [...names, 'docker.io/library/gone']) {
      const digest = await site.add({ name: 'v1', repository, tags: ['v1', 'v2'] });
      peer.put(repository, 'v1', digest);
      await site.index.deleteManifest(repository, digest, { actor: 'alice' });
    }
    expect(await site.index.listRepositories({ limit: 10 })).toEqual([]);
    const rule = ruleWith({ deletes: true });
    expect(await createScan(site)({ rule, peer }, { signal: FOREVER })).toEqual({ references: 0, deletions: 130 });
    expect(await jobsOf(site.index)).toEqual(names.map((name) => `-${name} v1`));
  });

  test('passes no deletions on that its rule keeps to itself', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    peer.put(APP, 'v1', await site.add({ name: 'v1' }));
    await site.untag('v1');
    const rule = ruleWith({ tags: ['v*'] });
    expect(await createScan(site)({ rule, peer }, { signal: FOREVER })).toEqual({ references: 0, deletions: 0 });
  });

  test('does not need the peer: without it, all that was deleted may be there still', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    peer.fail();
    const tags = Array.from({ length: 130 }, (_, number) => `t${number}`);
    await site.add({ name: 'image', tags });
    for (const tag of tags) await site.untag(tag);
    await site.add({ name: 'v1' });
    const rule = ruleWith({ deletes: true, tags: ['t*', 'v*'] });
    expect(await createScan(site)({ rule, peer }, { signal: FOREVER })).toEqual({ references: 1, deletions: 130 });
    expect(peer.asked.length).toBeLessThanOrEqual(8);
  });

  test('tells how far it is, makes no job twice, and ends when it is told to', async () => {
    await using site = await openSite();
    const link = { rule: ruleWith(), peer: new ScriptedPeer() };
    await site.add({ name: 'image', tags: Array.from({ length: 250 }, (_, number) => `t${number}`) });
    const scan = createScan(site);
    const stop = new AbortController();
    const seen: ScanReport[] = [];
    const onProgress = (soFar: ScanReport) => {
      seen.push(soFar);
      if (soFar.references === 200) stop.abort(new Error('enough'));
    };
    await expect(scan(link, { signal: stop.signal, onProgress })).rejects.toThrow('enough');
    expect(seen.map(({ references }) => references)).toEqual([50, 100, 150, 200]);
    expect(await jobsOf(site.index)).toHaveLength(200);
    await scan(link, { signal: FOREVER });
    expect(await jobsOf(site.index)).toHaveLength(250);
  });
});
