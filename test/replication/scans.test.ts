import { describe, expect, test } from 'vitest';
import { aborted } from './support/scripted-copy.ts';
import { holdDeletions, linkOf, openStage, untilDone } from './support/stage.ts';

const NONE = [{ repositories: ['nowhere'] }];

describe('all that a rule is about is looked through', () => {
  test('when the rule is new, and not again after a restart', async () => {
    await using stage = await openStage({ rules: [], peers: [] });
    await stage.push('v1');
    await stage.push('v2');
    await stage.push('v1', 'elsewhere/app');
    await stage.restart({});
    await untilDone(stage);
    expect(stage.copying.done.toSorted()).toEqual(['v1', 'v2']);
    await stage.restart();
    await untilDone(stage);
    expect(stage.copying.done).toHaveLength(2);
  });

  test.each([
    ['takes other repositories', { repositories: ['local/**', 'other/**'] }],
    ['takes other tags', { tags: ['v*'] }],
    ['takes other platforms', { platforms: ['linux/arm64'] }],
    ['takes other artifacts', { artifactTypes: ['image'] }],
    ['sends to other names', { as: 'mirror/{repository}' }],
  ])('when the rule %s than before', async (_, change) => {
    await using stage = await openStage();
    await stage.push('v1');
    await untilDone(stage);
    await stage.restart({ rules: [change] });
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1', 'v1']);
  });

  test.each([
    ['another priority', { priority: 7 }],
    ['another bandwidth', { bandwidthBytesPerSecond: 1000 }],
    ['windows', { only: [{ startMinute: 0, endMinute: 0 }] }],
  ])('not when it has %s', async (_, change) => {
    await using stage = await openStage();
    await stage.push('v1');
    await untilDone(stage);
    await stage.restart({ rules: [change] });
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1']);
  });

  test('when the peer is somewhere else', async () => {
    const at = (url: string) => ({ peers: [{ name: 'us-east', url: new URL(url) }] });
    await using stage = await openStage(at('https://one.example'));
    await stage.push('v1');
    await untilDone(stage);
    await stage.restart(at('https://one.example'));
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1']);
    await stage.restart(at('https://two.example'));
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1', 'v1']);
  });

  test('when the rule was away, for its jobs went with it', async () => {
    await using stage = await openStage();
    const { release } = stage.copying.hold();
    await stage.push('v1');
    await expect.poll(() => stage.copying.begun.length).toBe(1);
    await stage.restart({ rules: NONE });
    release();
    await stage.restart({ rules: [{}] });
    await untilDone(stage);
    expect(stage.copying.done).toContain('v1');
  });

  test('when events went from the log before they were read', async () => {
    await using stage = await openStage();
    await untilDone(stage);
    await stage.stop();
    await stage.push('v1');
    await stage.push('v2');
    await stage.index.trimEvents({ beforeMs: Date.now() + 60_000 }, 3);
    await stage.start();
    await untilDone(stage);
    // One of them was looked through and told of.
    expect(new Set(stage.copying.done)).toEqual(new Set(['v1', 'v2']));
  });

  test('when events go from the log that it was to read', async () => {
    await using stage = await openStage();
    await untilDone(stage);
    await stage.stop();
    await stage.push('v1');
    await stage.push('v2');
    const events = await stage.index.readEvents(0, 100);
    await stage.start();
    stage.replication.abandon(events);
    await stage.index.trimEvents({ beforeMs: Date.now() + 60_000 }, events.length);
    await untilDone(stage);
    expect(new Set(stage.copying.done)).toEqual(new Set(['v1', 'v2']));
  });

  test('again, when it was interrupted', async () => {
    await using stage = await openStage({ rules: [], peers: [] });
    await stage.push('v1');
    await stage.restart({});
    await untilDone(stage);
    await stage.stop();
    await stage.index.writeNote('replication.scan.all/us-east', String(Date.now() - 60_000));
    await stage.start();
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1', 'v1']);
    expect(await stage.index.readNote('replication.scan.all/us-east')).toBeUndefined();
  });

  test('when its schedule says so', async () => {
    // The sixth field, which the configuration does not take, is seconds.
    const rules = [{ trigger: { type: 'schedule', schedule: '* * * * * *' } as const }];
    await using stage = await openStage({ rules });
    await stage.push('v1');
    await expect.poll(() => stage.copying.done, { timeout: 5000 }).toContain('v1');
  });
});

describe('a rule that is told to', () => {
  test.each([{ type: 'manual' } as const, { type: 'schedule', schedule: '0 0 1 1 *' } as const])(
    'sends nothing by itself: %j',
    async (trigger) => {
      await using stage = await openStage({ rules: [{ trigger }] });
      await stage.push('v1');
      await stage.restart();
      await untilDone(stage);
      expect(stage.copying.begun).toEqual([]);
      const waiting = { signal: new AbortController().signal, onProgress: () => undefined };
      await stage.replication.operations.replicate({ rule: 'all', dryRun: false, now: false }, waiting);
      await untilDone(stage);
      expect(stage.copying.done).toEqual(['v1']);
    },
  );
});

describe('deletions', () => {
  test('are passed on after their time of grace, if the rule has them', async () => {
    await using stage = await openStage({ rules: [{ deletes: true, graceMs: 300, maxDelete: 1 }] });
    await stage.push('v1');
    await untilDone(stage);
    const startedAt = performance.now();
    await stage.untag('v1');
    await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(1);
    expect((await linkOf(stage)).lagSeconds).toBe(0);
    await expect.poll(() => stage.copying.done, { interval: 5 }).toEqual(['v1', '-v1']);
    expect(performance.now() - startedAt).toBeGreaterThan(290);
  });

  test('are not passed on if it has not', async () => {
    await using stage = await openStage();
    await stage.push('v1');
    await untilDone(stage);
    await stage.untag('v1');
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1']);
  });

  test('are taken back when the tag is there again within that time', async () => {
    await using stage = await openStage({ rules: [{ deletes: true, graceMs: 60_000 }] });
    await stage.push('v1');
    await untilDone(stage);
    await stage.untag('v1');
    await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(1);
    await stage.push('v1');
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1', 'v1']);
  });

  test('are held when they are many, until they are approved', async () => {
    await using stage = await openStage({ rules: [{ deletes: true, graceMs: 0, maxDelete: 0.1 }] });
    const tags = await holdDeletions(stage);
    expect(stage.copying.done.filter((name) => name.startsWith('-'))).toEqual([]);
    const [job] = await stage.replication.operations.jobs({ state: 'held', limit: 1 });
    expect(job).toMatchObject({ isDeletion: true, reason: expect.stringContaining('approve') });
    await expect(stage.replication.operations.retry({ job: job?.id ?? 0 })).rejects.toMatchObject({ code: 'INVALID' });
    expect(await stage.replication.operations.retry({})).toEqual({ jobs: 0 });
    expect(await stage.replication.operations.approve({ rule: 'all', peer: 'us-east' })).toEqual({ jobs: 5 });
    await untilDone(stage);
    expect(stage.copying.done.filter((name) => name.startsWith('-')).toSorted()).toEqual(tags.map((tag) => `-${tag}`));
  });
});

describe('a scan', () => {
  test('does not wait for what is being sent', async () => {
    await using stage = await openStage();
    stage.copying.script = ({ signal }) => aborted(signal);
    await stage.push('v1');
    await expect.poll(() => stage.copying.running).toBe(1);
    const waiting = { signal: new AbortController().signal, onProgress: () => undefined };
    const report = await stage.replication.operations.replicate({ rule: 'all', dryRun: false, now: false }, waiting);
    expect(report).toMatchObject({ references: 1, isWaitedFor: false, failures: [] });
  });
});
