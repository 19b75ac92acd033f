import { describe, expect, test } from 'vitest';
import { dryRun } from '../../../src/replication/comparing/dry-run.ts';
import type { ReplicateProgress } from '../../../src/replication/replication-operations.ts';
import { digestFor, ScriptedPeer } from '../support/scripted-peer.ts';
import { APP, jobsOf, openSite, ruleWith } from '../support/site.ts';

const FOREVER = new AbortController().signal;

describe('a dry run', () => {
  test('tells what would be sent and deleted at each peer, and does nothing', async () => {
    await using site = await openSite();
    const [east, west] = [new ScriptedPeer('us-east'), new ScriptedPeer('us-west')];
    for (const tag of ['same', 'missing', 'moved', 'deleted']) await site.add({ name: tag });
    await site.untag('deleted');
    for (const peer of [east, west]) {
      for (const tag of ['same', 'deleted', 'extra']) peer.put(APP, tag, digestFor(tag));
      peer.put(APP, 'moved', digestFor('older'));
      peer.put(APP, digestFor('deleted'), digestFor('deleted'));
    }
    west.put(APP, 'missing', digestFor('missing'));
    const seen: ReplicateProgress[] = [];
    const onProgress = (progress: ReplicateProgress) => seen.push(progress);
    const rule = ruleWith({ deletes: true });
    const links = [east, west].map((peer) => ({ rule, peer }));
    const report = await dryRun(site, links, { signal: FOREVER, onProgress });
    expect(report).toMatchObject({ isDryRun: true, isWaitedFor: false, references: 8, sentBytes: 0, failures: [] });
    expect(report.differences.map(({ peer, kind, tag }) => `${peer} ${kind} ${tag}`)).toEqual([
      'us-east missing missing',
      'us-east different moved',
      'us-east deleted deleted',
      'us-west different moved',
      'us-west deleted deleted',
    ]);
    expect(seen.at(-1)).toEqual({ references: 8, referencesDone: 8, sentBytes: 0 });
    expect(await jobsOf(site.index)).toEqual([]);
  });

  test('leaves out deletions whose time has not come, and those that the rule keeps to itself', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    peer.put(APP, 'v1', await site.add({ name: 'v1' }));
    await site.untag('v1');
    for (const rule of [ruleWith({ tags: ['v*'] }), ruleWith({ tags: ['v*'], deletes: true, graceMs: 60_000 })]) {
      const report = await dryRun(site, [{ rule, peer }], { signal: FOREVER, onProgress: () => undefined });
      expect(report.differences).toEqual([]);
    }
  });

  test('tells of a peer that fails, and goes on with the others', async () => {
    await using site = await openSite();
    const [east, west] = [new ScriptedPeer('us-east'), new ScriptedPeer('us-west')];
    east.fail();
    await site.add({ name: 'v1' });
    await site.add({ name: 'v1', repository: 'local/other' });
    const links = [east, west].map((peer) => ({ rule: ruleWith(), peer }));
    const report = await dryRun(site, links, { signal: FOREVER, onProgress: () => undefined });
    expect(report.failures).toEqual([{ peer: 'us-east', reference: APP, error: 'us-east: out of order' }]);
    expect(report.differences).toMatchObject([{ peer: 'us-west' }, { peer: 'us-west' }]);
  });

  test('ends when it is told to', async () => {
    await using site = await openSite();
    await site.add({ name: 'v1' });
    const signal = AbortSignal.abort(new Error('enough'));
    const links = [{ rule: ruleWith(), peer: new ScriptedPeer() }];
    await expect(dryRun(site, links, { signal, onProgress: () => undefined })).rejects.toThrow('enough');
  });
});
