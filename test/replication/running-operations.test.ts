import { describe, expect, test } from 'vitest';
import type { ReplicateProgress } from '../../src/replication/replication-operations.ts';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';
import { aborted } from './support/scripted-copy.ts';
import { linkOf, openStage, type Stage, untilDone } from './support/stage.ts';

function replicate({ replication }: Stage, options: { signal?: AbortSignal; peer?: string } = {}) {
  const progress: ReplicateProgress[] = [];
  const { signal = new AbortController().signal, peer } = options;
  const request = { rule: 'all', dryRun: false, now: true, ...(peer !== undefined && { peer }) };
  const report = replication.operations.replicate(request, { signal, onProgress: (step) => progress.push(step) });
  return { report, progress };
}

describe('an operator who waits', () => {
  test('is told when all is done, and how it goes on', async () => {
    await using stage = await openStage();
    for (const tag of ['v1', 'v2', 'v3']) await stage.push(tag);
    await untilDone(stage);
    stage.copying.script = ({ onSent }) => onSent(100);
    const { report, progress } = replicate(stage);
    expect(await report).toEqual({
      isDryRun: false,
      isWaitedFor: true,
      references: 3,
      referencesDone: 3,
      sentBytes: 300,
      differences: [],
      failures: [],
    });
    expect(progress.at(-1)).toEqual({ references: 3, referencesDone: 3, sentBytes: 300 });
    expect(stage.copying.done).toHaveLength(6);
  });

  test('is told at once where there is nothing', async () => {
    await using stage = await openStage();
    expect(await replicate(stage).report).toMatchObject({ references: 0, failures: [] });
  });

  test('is told what does not work, and does not wait for ever', async () => {
    await using stage = await openStage();
    stage.copying.script = ({ job }) => {
      if (job.reference === 'bad') throw new UpstreamError('REFUSED', 'us-east', 'not this one', { status: 400 });
      return job.reference === 'part' ? { outcome: 'incomplete', missing: 'sha256:0' } : undefined;
    };
    for (const tag of ['bad', 'good', 'part']) await stage.push(tag);
    const { failures, ...rest } = await replicate(stage).report;
    expect(rest).toMatchObject({ references: 3, referencesDone: 3 });
    expect(failures.toSorted((one, other) => one.reference.localeCompare(other.reference))).toEqual([
      { peer: 'us-east', reference: 'local/app:bad', error: 'us-east: not this one' },
      { peer: 'us-east', reference: 'local/app:part', error: 'not here: sha256:0' },
    ]);
  });

  test('is told that the peer is down', async () => {
    await using stage = await openStage({ patienceMs: 200 });
    stage.copying.script = () => {
      throw new UpstreamError('UNREACHABLE', 'us-east', 'connection refused');
    };
    stage.peer().beforePing = () => {
      throw new UpstreamError('UNREACHABLE', 'us-east', 'connection refused');
    };
    await stage.push('v1');
    expect(await replicate(stage).report).toMatchObject({
      failures: [{ peer: 'us-east', error: 'the peer is down: us-east: connection refused' }],
    });
  });

  test('may go: what was begun goes on', async () => {
    await using stage = await openStage();
    const { release } = stage.copying.hold();
    await stage.push('v1');
    const stop = new AbortController();
    const { report } = replicate(stage, { signal: stop.signal });
    await expect.poll(() => stage.copying.running).toBe(1);
    stop.abort(new Error('gone'));
    await expect(report).rejects.toThrow('gone');
    release();
    await untilDone(stage);
  });

  test('cannot send what is paused', async () => {
    await using stage = await openStage();
    await stage.replication.operations.pause({});
    await expect(replicate(stage).report).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('can send to one peer only', async () => {
    const options = { rules: [{ to: ['us-east', 'asia'] }], peers: [{ name: 'us-east' }, { name: 'asia' }] };
    await using stage = await openStage(options);
    await stage.push('v1');
    await untilDone(stage);
    stage.copying.done.length = 0;
    await replicate(stage, { peer: 'asia' }).report;
    expect(stage.copying.done).toEqual(['v1']);
  });

  test('learns what would be sent', async () => {
    await using stage = await openStage();
    const digest = await stage.push('v1');
    await untilDone(stage);
    const work = { signal: new AbortController().signal, onProgress: () => undefined };
    const report = await stage.replication.operations.replicate({ rule: 'all', dryRun: true, now: false }, work);
    expect(report).toMatchObject({
      isDryRun: true,
      differences: [
        { rule: 'all', peer: 'us-east', repository: 'local/app', tag: 'v1', kind: 'missing', here: digest },
      ],
    });
    expect(stage.copying.done).toEqual(['v1']);
    expect(await stage.replication.operations.diff({ peer: 'us-east' }, work)).toMatchObject({
      peer: 'us-east',
      differenceCount: 1,
    });
  });
});

describe('an operator who asks', () => {
  test('sees jobs and history', async () => {
    await using stage = await openStage();
    await stage.push('done');
    await untilDone(stage);
    stage.copying.script = async ({ signal, onSent }) => {
      onSent(7);
      await aborted(signal);
    };
    await stage.push('runs');
    await expect.poll(() => stage.copying.running).toBe(1);
    const { operations } = stage.replication;
    expect(await operations.jobs({ limit: 10 })).toEqual([
      {
        id: expect.any(Number),
        rule: 'all',
        peer: 'us-east',
        repository: 'local/app',
        reference: 'runs',
        isDeletion: false,
        state: 'running',
        sinceMs: expect.any(Number),
        dueAtMs: expect.any(Number),
        attempts: 0,
        sizeBytes: 100,
        sentBytes: 7,
      },
    ]);
    expect(await operations.jobs({ state: 'parked', limit: 10 })).toEqual([]);
    expect(await operations.history({ rule: 'all', limit: 10 })).toMatchObject([
      { reference: 'done', outcome: 'copied', digest: expect.any(String) },
    ]);
    expect(await linkOf(stage)).toMatchObject({ sentBytes: 7, jobs: { running: 1 }, pendingBytes: 100 });
    expect(await operations.conflicts({ limit: 10 })).toEqual([]);
  });

  test.each<[string, string, (stage: Stage) => Promise<unknown>]>([
    ['NOT_FOUND', 'a rule', ({ replication }) => replication.operations.pause({ rule: 'none' })],
    ['NOT_FOUND', 'a peer', ({ replication }) => replication.operations.resume({ peer: 'none' })],
    ['NOT_FOUND', 'a peer of the rule', ({ replication }) => replication.operations.jobs({ peer: 'none', limit: 1 })],
    ['NOT_FOUND', 'a job', ({ replication }) => replication.operations.retry({ job: 4711 })],
    ['NOT_FOUND', 'a link', ({ replication }) => replication.operations.approve({ rule: 'all', peer: 'none' })],
  ])('is told (%s) that there is no such thing as %s', async (code, _, ask) => {
    await using stage = await openStage();
    await expect(ask(stage)).rejects.toMatchObject({ code });
  });

  test('cannot hurry a deletion in its time of grace', async () => {
    await using stage = await openStage({ rules: [{ deletes: true, graceMs: 60_000 }] });
    await stage.push('v1');
    await untilDone(stage);
    await stage.untag('v1');
    await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(1);
    const [job] = await stage.replication.operations.jobs({ limit: 1 });
    expect(await stage.replication.operations.retry({})).toEqual({ jobs: 0 });
    await expect(stage.replication.operations.retry({ job: job?.id ?? 0 })).rejects.toMatchObject({ code: 'INVALID' });
  });
});
