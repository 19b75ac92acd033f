import { describe, expect, test } from 'vitest';
import type { TimeWindow } from '../../src/replication/rule.ts';
import { linkOf, openStage, untilDone } from './support/stage.ts';

/** One that opens in two hours. */
function later(): TimeWindow {
  const now = new Date();
  const minute = now.getHours() * 60 + now.getMinutes();
  return { startMinute: (minute + 120) % 1440, endMinute: (minute + 180) % 1440 };
}

describe('outside of its windows', () => {
  test.each(['rule', 'peer'])('of the %s nothing is begun, and what happens is noted', async (whose) => {
    const only = [later()];
    const options =
      whose === 'rule' ? { rules: [{ only }] } : { peers: [{ name: 'us-east', only }], rules: [{ to: ['us-east'] }] };
    await using stage = await openStage(options);
    await stage.push('v1');
    await expect.poll(() => linkOf(stage)).toMatchObject({ isOutsideWindow: true, jobs: { pending: 1 } });
    await expect.poll(async () => (await linkOf(stage)).lagSeconds).toBeGreaterThan(0);
    expect(stage.copying.begun).toEqual([]);
    await stage.restart({});
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1']);
  });

  test('what runs is broken off, without a try less, and goes on when they open', async () => {
    const only: TimeWindow[] = [];
    await using stage = await openStage({ rules: [{ only }] });
    const { release } = stage.copying.hold();
    await stage.push('v1');
    await expect.poll(() => stage.copying.running).toBe(1);
    only.push(later());
    // As the end of a window does.
    await stage.replication.operations.resume({});
    await expect.poll(() => stage.copying.running).toBe(0);
    await expect
      .poll(async () => (await stage.index.listJobs({ limit: 1 }))[0])
      .toMatchObject({
        state: 'pending',
        attempts: 0,
      });
    expect(await stage.index.listJobRecords({ limit: 1 })).toEqual([]);
    release();
    only.pop();
    await stage.replication.operations.resume({});
    await untilDone(stage);
    expect(stage.copying.begun).toEqual(['v1', 'v1']);
  });

  test('other rules go on', async () => {
    const rules = [
      { name: 'closed', repositories: ['local/closed'], only: [later()] },
      { name: 'open', repositories: ['local/open'] },
    ];
    await using stage = await openStage({ rules });
    await stage.push('v1', 'local/closed');
    await stage.push('v2', 'local/open');
    await expect.poll(() => stage.copying.done).toEqual(['v2']);
    expect(await linkOf(stage, 'closed')).toMatchObject({ jobs: { pending: 1 } });
  });

  test('an operator sends what there is', async () => {
    await using stage = await openStage({ rules: [{ only: [later()] }] });
    await stage.push('v1');
    const work = { signal: new AbortController().signal, onProgress: () => undefined };
    const report = await stage.replication.operations.replicate({ rule: 'all', dryRun: false, now: true }, work);
    expect(report).toMatchObject({ references: 1, referencesDone: 1, failures: [] });
    expect(new Set(stage.copying.done)).toEqual(new Set(['v1']));
    await stage.push('v2');
    await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(1);
    expect(stage.copying.begun).not.toContain('v2');
  });
});

describe('what is paused', () => {
  test('is broken off, and goes on when it is resumed', async () => {
    await using stage = await openStage();
    const { release } = stage.copying.hold();
    await stage.push('v1');
    await expect.poll(() => stage.copying.running).toBe(1);
    await stage.replication.operations.pause({ rule: 'all' });
    await expect.poll(() => stage.copying.running).toBe(0);
    await stage.push('v2');
    await expect.poll(() => linkOf(stage)).toMatchObject({ isPaused: true, jobs: { pending: 2 } });
    release();
    await stage.replication.operations.resume({ rule: 'all' });
    await untilDone(stage);
    expect(stage.copying.done.toSorted()).toEqual(['v1', 'v2']);
    expect(await linkOf(stage)).toMatchObject({ isPaused: false });
  });

  test('stays so over a restart', async () => {
    await using stage = await openStage();
    await stage.replication.operations.pause({ peer: 'us-east' });
    await stage.push('v1');
    await stage.restart();
    await expect.poll(() => linkOf(stage)).toMatchObject({ isPaused: true, jobs: { pending: 1 } });
    await stage.replication.operations.resume({});
    await untilDone(stage);
    await stage.restart();
    expect(await linkOf(stage)).toMatchObject({ isPaused: false });
  });

  test('is one peer of a rule, if it is named', async () => {
    const options = { rules: [{ to: ['us-east', 'asia'] }], peers: [{ name: 'us-east' }, { name: 'asia' }] };
    await using stage = await openStage(options);
    await stage.replication.operations.pause({ rule: 'all', peer: 'asia' });
    await stage.push('v1');
    await expect.poll(() => stage.copying.done).toEqual(['v1']);
    await expect.poll(() => linkOf(stage, 'all', 'asia')).toMatchObject({ jobs: { pending: 1 } });
    await stage.replication.operations.resume({ peer: 'asia' });
    await untilDone(stage);
  });
});
