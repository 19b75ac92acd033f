import { describe, expect, test } from 'vitest';
import { jobsLeft, linkOf, openStage, untilDone } from './support/stage.ts';

describe('replication', () => {
  test('sends what is pushed, at once', async () => {
    await using stage = await openStage();
    await untilDone(stage);
    const startedAt = performance.now();
    await stage.push('v1');
    await expect.poll(() => stage.copying.done, { interval: 1 }).toEqual(['v1']);
    expect(performance.now() - startedAt).toBeLessThan(500);
    await untilDone(stage);
    expect(await stage.index.listJobRecords({ limit: 10 })).toMatchObject([
      { rule: 'all', peer: 'us-east', repository: 'local/app', reference: 'v1', outcome: 'copied', error: undefined },
    ]);
  });

  test('hands the copy what it needs to know', async () => {
    await using stage = await openStage({ rules: [{ fetch: true }] });
    let seen: object | undefined;
    stage.copying.script = (request) => {
      seen = { ...request, job: { ...request.job } };
    };
    await stage.push('v1');
    await expect.poll(() => seen).toBeDefined();
    expect(seen).toMatchObject({
      job: { repository: 'local/app', reference: 'v1', sizeBytes: 100, state: 'running', attempts: 0 },
      rule: { name: 'all' },
      peer: stage.peer(),
      mayFetch: true,
    });
  });

  test('sends a tag once that moved many times meanwhile, as it is then', async () => {
    await using stage = await openStage({ peers: [{ name: 'us-east', maxJobs: 1 }] });
    const { release } = stage.copying.hold();
    await stage.push('busy');
    await expect.poll(() => stage.copying.begun).toEqual(['busy']);
    for (let move = 0; move < 20; move += 1) await stage.push('v1');
    await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(1);
    release();
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['busy', 'v1']);
  });

  test('sends a tag again that moved while it was sent', async () => {
    await using stage = await openStage();
    const { release } = stage.copying.hold();
    await stage.push('v1');
    await expect.poll(() => stage.copying.begun).toEqual(['v1']);
    await stage.push('v1');
    await expect
      .poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.sequence)
      .toBe(await stage.index.lastEvent());
    release();
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1', 'v1']);
  });

  test('never has two tries of the same at once, and no more jobs than the peer may have', async () => {
    await using stage = await openStage({ peers: [{ name: 'us-east', maxJobs: 3 }] });
    const running = new Set<string>();
    stage.copying.script = async ({ job }) => {
      expect(running.has(job.reference)).toBe(false);
      running.add(job.reference);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running.delete(job.reference);
    };
    for (let push = 0; push < 60; push += 1) await stage.push(`v${push % 7}`);
    await untilDone(stage);
    expect(stage.copying.mostRunning).toBe(3);
  });

  test('does what is of greater priority first, then what is older', async () => {
    await using stage = await openStage({
      rules: [
        { name: 'low', repositories: ['local/low'], priority: 0 },
        { name: 'high', repositories: ['local/high'], priority: 5 },
      ],
      peers: [{ name: 'us-east', maxJobs: 1 }],
    });
    const { release } = stage.copying.hold();
    await stage.push('first', 'local/low');
    await expect.poll(() => stage.copying.begun).toEqual(['first']);
    for (const tag of ['low1', 'low2']) await stage.push(tag, 'local/low');
    for (const tag of ['high1', 'high2']) await stage.push(tag, 'local/high');
    await expect.poll(() => jobsLeft(stage)).toBe(5);
    release();
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['first', 'high1', 'high2', 'low1', 'low2']);
  });

  test('sends to several peers by several rules, each for itself', async () => {
    await using stage = await openStage({
      rules: [
        { name: 'one', repositories: ['local/one'], to: ['us-east', 'asia'] },
        { name: 'two', repositories: ['local/two'], to: ['asia'] },
      ],
      peers: [{ name: 'us-east' }, { name: 'asia' }, { name: 'unused' }],
    });
    const sent: string[] = [];
    stage.copying.script = ({ job }) => {
      sent.push(`${job.rule} ${job.peer} ${job.repository}`);
    };
    await stage.push('v1', 'local/one');
    await stage.push('v1', 'local/two');
    await untilDone(stage);
    expect(sent.toSorted()).toEqual(['one asia local/one', 'one us-east local/one', 'two asia local/two']);
    expect(stage.peer('unused').pings).toBe(0);
    expect((await stage.replication.status()).peers.map(({ name }) => name)).toEqual(['us-east', 'asia']);
  });

  test('does not send back what came from the peer, by the name that it gives itself', async () => {
    await using stage = await openStage();
    stage.peer().site = 'ohio';
    await stage.restart();
    await expect.poll(async () => (await stage.replication.status()).peers[0]?.site).toBe('ohio');
    await untilDone(stage);
    const about = { repository: 'local/app', mediaType: 'type/manifest', artifactType: undefined, references: [] };
    for (const [number, site] of ['us-east', 'ohio', 'asia'].entries()) {
      const digest = await stage.push(`of-${site}`, 'elsewhere/app');
      const record = { ...about, digest, sizeBytes: 1, tags: [`of-${site}`], atMs: Date.now() };
      await stage.index.pushManifest(record, [], { actor: 'x', origin: { site, sequence: number + 1 } });
    }
    await expect.poll(() => stage.copying.done).toEqual(['of-asia']);
    await untilDone(stage);
  });

  test('leaves nothing to be done for rules that are gone', async () => {
    await using stage = await openStage();
    const { release } = stage.copying.hold();
    await stage.push('v1');
    await expect.poll(() => stage.copying.begun.length).toBe(1);
    await stage.restart({ rules: [{ name: 'other', repositories: ['none'] }] });
    release();
    expect(await jobsLeft(stage)).toBe(0);
    expect(stage.copying.done).toEqual([]);
  });

  test('with nothing to send costs nothing', async () => {
    await using stage = await openStage({ rules: [], peers: [] });
    await stage.push('v1');
    expect(await stage.replication.status()).toMatchObject({ links: [], peers: [] });
    expect(await jobsLeft(stage)).toBe(0);
  });
});
