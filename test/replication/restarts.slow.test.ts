import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { manifest } from '../metadata/support/rows.ts';
import { holdDeletions, linkOf, openStage, untilDone } from './support/stage.ts';

const CAUSE = { actor: 'alice' };

describe('after a restart', () => {
  test('what was not done is done, with what was left of it', async () => {
    await using stage = await openStage();
    stage.copying.script = async ({ job, saveProgress, signal }) => {
      if (job.progress !== undefined) return;
      await saveProgress('half of it');
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      throw signal.reason;
    };
    await stage.push('v1');
    await expect.poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.progress).toBe('half of it');
    await stage.restart();
    await untilDone(stage);
    expect(stage.copying.begun).toEqual(['v1', 'v1']);
    // Being broken off is no failure.
    expect((await stage.index.listJobRecords({ limit: 5 })).map(({ outcome }) => outcome)).toEqual(['copied']);
  });

  test('what ran when the process was killed is done', async () => {
    await using stage = await openStage();
    await stage.push('v1');
    await untilDone(stage);
    await stage.stop();
    const nowMs = Date.now();
    const job = { rule: 'all', peer: 'us-east', repository: 'local/app', reference: 'v1', sequence: 1, priority: 0 };
    await stage.index.enqueueJobs([{ ...job, sinceMs: nowMs, dueAtMs: nowMs }]);
    await stage.index.leaseJobs({ peer: 'us-east', except: [], nowMs, untilMs: nowMs + 3_600_000, limit: 1 });
    await stage.start();
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1', 'v1']);
  });

  test('what happened meanwhile is sent', async () => {
    await using stage = await openStage();
    await untilDone(stage);
    await stage.stop();
    await stage.push('v1');
    await stage.push('v2');
    await stage.start();
    await untilDone(stage);
    expect(stage.copying.done.toSorted()).toEqual(['v1', 'v2']);
  });

  test('what was asked for while a job ran is done, though the lease of that was over before it ended', async () => {
    await using stage = await openStage();
    const { release } = stage.copying.hold();
    await stage.push('v1');
    await expect.poll(() => stage.copying.running).toBe(1);
    const [job] = await stage.index.listJobs({ limit: 1 });
    if (!job) throw new Error('there is no job');
    await stage.push('v1');
    await expect
      .poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.sequence)
      .toBeGreaterThan(job.sequence);
    // As if the process had stood still.
    await stage.index.renewJob(job.id, Date.now() - 1);
    await stage.push('v2');
    await expect.poll(() => stage.copying.begun).toContain('v2');
    release();
    await untilDone(stage);
    expect(stage.copying.begun.filter((name) => name === 'v1')).toHaveLength(2);
  });

  test.each([
    ['the rule has no deletions any more', { deletes: false }],
    ['the rule allows as many', { deletes: true, maxDelete: 1 }],
  ])('deletions that were held go on when %s', async (_, changes) => {
    await using stage = await openStage({ rules: [{ deletes: true }] });
    await holdDeletions(stage);
    await stage.restart({ rules: [changes] });
    await untilDone(stage);
    expect(await stage.index.listJobs({ limit: 1 })).toEqual([]);
  });

  test('deletions that are too many still are held again', async () => {
    await using stage = await openStage({ rules: [{ deletes: true }] });
    await holdDeletions(stage);
    const before = stage.copying.done.length;
    await stage.restart();
    await expect.poll(async () => (await linkOf(stage)).jobs).toMatchObject({ held: 5, pending: 0, running: 0 });
    expect(stage.copying.done).toHaveLength(before);
  });

  test('what was refused is done with when the rule is not about it any more', async () => {
    await using stage = await openStage();
    await untilDone(stage);
    await stage.stop();
    const nowMs = Date.now();
    const job = { rule: 'all', peer: 'us-east', repository: 'local/app', reference: 'v1', sequence: 1, priority: 0 };
    await stage.index.enqueueJobs([{ ...job, sinceMs: nowMs, dueAtMs: nowMs }]);
    await stage.index.leaseJobs({ peer: 'us-east', except: [], nowMs, untilMs: nowMs + 60_000, limit: 1 });
    const [leased] = await stage.index.listJobs({ limit: 1 });
    await stage.index.returnJob(
      leased?.id ?? 0,
      { state: 'parked', dueAtMs: nowMs, attempts: 5, reason: 'denied' },
      undefined,
    );
    await stage.start();
    expect((await linkOf(stage)).jobs.parked).toBe(1);
    await stage.restart({ rules: [{ repositories: ['local/other'] }] });
    await untilDone(stage);
    expect(await stage.index.listJobs({ limit: 1 })).toEqual([]);
  });

  test('it is known when something was last done', async () => {
    await using stage = await openStage();
    await stage.push('v1');
    await untilDone(stage);
    const { lastDoneAtMs } = await linkOf(stage);
    await stage.restart();
    expect(Math.abs((await linkOf(stage)).lastDoneAtMs! - lastDoneAtMs!)).toBeLessThan(1000);
  });
});

describe('nothing is lost', () => {
  test('at whatever moment it is stopped', { timeout: 60_000 }, async () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.record({ kind: fc.constant('push' as const), tag: fc.nat(4) }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), turns: fc.nat(12) }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('turns' as const), turns: fc.nat(12) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const), turns: fc.nat(5) }) },
      ),
      { maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        await using stage = await openStage({ peers: [{ name: 'us-east', maxJobs: 2 }] });
        /** What each tag points at here, and at the peer. */
        const [here, there] = [new Map<string, string>(), new Map<string, string>()];
        let count = 0;
        stage.copying.script = async ({ job, signal }) => {
          count += 1;
          if (count % 3 === 0) await turn(2);
          signal.throwIfAborted();
          const row = await stage.index.findTag('local/app', job.reference);
          if (count % 4 === 0) await turn(1);
          signal.throwIfAborted();
          if (row) there.set(job.reference, row.digest);
        };
        for (const step of all) {
          if (step.kind === 'push') here.set(`v${step.tag}`, await stage.push(`v${step.tag}`));
          else await turn(step.turns);
          if (step.kind === 'restart') await stage.restart();
          if (step.kind === 'pause') {
            await stage.replication.operations.pause({});
            await turn(step.turns);
            await stage.replication.operations.resume({});
          }
        }
        await untilDone(stage);
        expect(Object.fromEntries(there)).toEqual(Object.fromEntries(here));
      }),
      { numRuns: 40 },
    );
  });
});

describe('thousands of events', () => {
  test('let others run, and are all sent', { timeout: 120_000 }, async () => {
    await using stage = await openStage();
    await untilDone(stage);
    await stage.stop();
    for (let image = 0; image < 30; image += 1) {
      const tags = Array.from({ length: 100 }, (_, number) => `v${image}.${number}`);
      await stage.index.pushManifest(manifest(`image ${image}`, { repository: 'local/app', tags }), [], CAUSE);
    }
    expect(await stage.index.lastEvent()).toBeGreaterThanOrEqual(3_000);
    await stage.start();
    const turns: number[] = [];
    const over = new AbortController();
    const watching = (async () => {
      while (!over.signal.aborted) {
        const startedAt = performance.now();
        // Who only looks leaves the event loop its rest.
        await new Promise((resolve) => setTimeout(resolve, 1));
        turns.push(performance.now() - startedAt);
      }
    })();
    await untilDone(stage, 110_000);
    over.abort();
    await watching;
    expect(new Set(stage.copying.done).size).toBe(3_000);
    const sorted = turns.toSorted((one, other) => one - other);
    expect(sorted[Math.floor(sorted.length * 0.99)]).toBeLessThan(100);
  });
});

/** Lets others run so many times. */
async function turn(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) await new Promise((resolve) => setImmediate(resolve));
}
