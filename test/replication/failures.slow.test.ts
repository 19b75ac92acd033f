import { describe, expect, test } from 'vitest';
import { UpstreamError, type UpstreamErrorCode } from '../../src/upstream/upstream-error.ts';
import { aborted } from './support/scripted-copy.ts';
import { jobsLeft, linkOf, openStage, type Stage, untilDone } from './support/stage.ts';

function failure(code: UpstreamErrorCode, options: { status?: number; retryAfterMs?: number } = {}): UpstreamError {
  return new UpstreamError(code, 'us-east', `it says ${code}`, options);
}

/** The only job, as if so many tries had failed already, due now. */
async function failedBefore(stage: Stage, attempts: number, state: 'pending' | 'waiting' = 'pending'): Promise<void> {
  await stage.stop();
  const [job] = await stage.index.listJobs({ limit: 1 });
  if (!job) throw new Error('there is no job');
  await stage.index.retryJobs({ states: ['pending', 'waiting', 'parked'] });
  const nowMs = Date.now();
  await stage.index.leaseJobs({ peer: job.peer, except: [], nowMs, untilMs: nowMs + 1000, limit: 10 });
  await stage.index.returnJob(job.id, { state, dueAtMs: nowMs, attempts, reason: 'before' }, undefined);
  await stage.start();
}

describe('a peer that is down', () => {
  test('is asked whether it is there until it is, and then gets what it missed, with no tries counted', async () => {
    await using stage = await openStage();
    const error = failure('UNREACHABLE');
    const goDown = () => {
      throw error;
    };
    stage.copying.script = goDown;
    stage.peer().beforePing = goDown;
    await stage.push('v1');
    await expect
      .poll(async () => (await stage.replication.status()).peers)
      .toMatchObject([
        { name: 'us-east', isUp: false, error: 'us-east: it says UNREACHABLE', downSinceMs: expect.any(Number) },
      ]);
    const tries = stage.copying.begun.length;
    for (const tag of ['v2', 'v3', 'v4', 'v5']) await stage.push(tag);
    const { pings } = stage.peer();
    await expect.poll(() => stage.peer().pings).toBeGreaterThan(pings + 3);
    expect(stage.copying.begun).toHaveLength(tries);
    expect(await linkOf(stage)).toMatchObject({ jobs: { pending: 5 }, lagSeconds: expect.any(Number) });
    expect((await linkOf(stage)).lagSeconds).toBeGreaterThan(0);
    const jobs = await stage.index.listJobs({ limit: 10 });
    expect(jobs.map(({ attempts }) => attempts)).toEqual([0, 0, 0, 0, 0]);
    stage.peer().beforePing = () => undefined;
    stage.copying.script = () => undefined;
    await untilDone(stage);
    expect(stage.copying.done.toSorted()).toEqual(['v1', 'v2', 'v3', 'v4', 'v5']);
    await expect.poll(async () => (await stage.replication.status()).peers[0]?.isUp).toBe(true);
  });

  test('is found to be down before anything is to be sent', async () => {
    await using stage = await openStage();
    await stage.stop();
    stage.peer().beforePing = () => {
      throw failure('TIMEOUT');
    };
    await stage.start();
    await expect.poll(async () => (await stage.replication.status()).peers[0]?.isUp).toBe(false);
  });

  test('is left alone for as long as it wants', async () => {
    await using stage = await openStage();
    await expect.poll(() => stage.peer().pings).toBe(1);
    stage.copying.script = () => {
      throw failure('RATE_LIMITED', { status: 429, retryAfterMs: 400 });
    };
    const startedAt = performance.now();
    await stage.push('v1');
    await expect.poll(() => stage.copying.begun.length).toBe(1);
    stage.copying.script = () => undefined;
    await expect.poll(() => stage.peer().pings, { interval: 1, timeout: 5000 }).toBe(2);
    expect(performance.now() - startedAt).toBeGreaterThan(390);
    await untilDone(stage);
  });

  test('gets one job first when it answers again', async () => {
    await using stage = await openStage({
      healthTimes: { firstPauseMs: 20, maxPauseMs: 20, checkMs: 60_000, trialMs: 60_000, pingMs: 5000 },
    });
    stage.copying.script = () => {
      throw failure('UNAVAILABLE', { status: 503 });
    };
    await stage.push('v0');
    await expect.poll(async () => (await stage.replication.status()).peers[0]?.isUp).toBe(false);
    const { release } = stage.copying.hold();
    for (const tag of ['v1', 'v2', 'v3', 'v4']) await stage.push(tag);
    await expect.poll(() => stage.copying.running, { timeout: 5000 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stage.copying.running).toBe(1);
    const others = stage.copying.hold();
    release();
    await expect.poll(() => stage.copying.running).toBeGreaterThan(1);
    others.release();
    await untilDone(stage);
  });

  test('is shown to work again by no job that asks nothing of it', async () => {
    await using stage = await openStage({
      healthTimes: { firstPauseMs: 20, maxPauseMs: 20, checkMs: 60_000, trialMs: 60_000, pingMs: 5000 },
    });
    const gate = Promise.withResolvers<void>();
    let isDown = true;
    stage.copying.script = async ({ job }) => {
      if (isDown) throw failure('UNAVAILABLE', { status: 503 });
      if (job.reference === 'gone') return { outcome: 'vanished' };
      if (job.reference === 'partial') return { outcome: 'incomplete', missing: 'sha256:0' };
      await gate.promise;
      return {};
    };
    await stage.push('v0');
    const isUp = async () => (await stage.replication.status()).peers[0]?.isUp;
    await expect.poll(isUp).toBe(false);
    await stage.stop();
    for (const tag of ['gone', 'partial', 'v1', 'v2']) await stage.push(tag);
    isDown = false;
    let pings = 0;
    stage.peer().beforePing = () => {
      pings += 1;
      if (pings === 1) throw failure('UNREACHABLE');
    };
    await stage.start();
    await expect.poll(() => stage.copying.running, { timeout: 5000 }).toBe(1);
    expect(stage.copying.done).toEqual(['gone', 'partial']);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([stage.copying.running, await isUp()]).toEqual([1, false]);
    gate.resolve();
    await expect.poll(isUp).toBe(true);
  });

  test('is not held up by one job that it can never take', async () => {
    await using stage = await openStage({ peers: [{ name: 'us-east', maxJobs: 1 }] });
    stage.copying.script = ({ job }) => {
      if (job.reference === 'poison') throw failure('UNAVAILABLE', { status: 500 });
    };
    await stage.push('poison');
    for (let number = 0; number < 20; number += 1) await stage.push(`v${number}`);
    await expect.poll(() => stage.copying.done.length, { timeout: 10_000 }).toBe(20);
    expect(await linkOf(stage)).toMatchObject({ jobs: { pending: 1, parked: 0 } });
  });

  test('is not held up by many jobs that it can never take', async () => {
    await using stage = await openStage({
      healthTimes: { firstPauseMs: 200, maxPauseMs: 3000, checkMs: 60_000, trialMs: 60_000, pingMs: 5000 },
    });
    const { release } = stage.copying.hold();
    for (let number = 0; number < 12; number += 1) await stage.push(`poison${number}`);
    await expect.poll(() => stage.copying.running).toBe(4);
    await stage.push('good');
    stage.copying.script = ({ job }) => {
      if (job.reference.startsWith('poison')) throw failure('UNAVAILABLE', { status: 500 });
    };
    release();
    await expect.poll(() => stage.copying.done.includes('good'), { timeout: 25_000 }).toBe(true);
  }, 30_000);
});

describe('a peer that does not know us', () => {
  const unknown = () => {
    throw failure('DENIED', { status: 401 });
  };

  test('at all is down, and nothing is given up', async () => {
    await using stage = await openStage();
    stage.copying.script = unknown;
    stage.peer().beforePing = unknown;
    await stage.push('v1');
    await expect.poll(async () => (await stage.replication.status()).peers[0]?.isUp).toBe(false);
    stage.peer().beforePing = () => undefined;
    stage.copying.script = () => undefined;
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1']);
  });

  test('in one repository takes what is for others', async () => {
    await using stage = await openStage();
    stage.copying.script = ({ job }) => (job.reference === 'foreign' ? unknown() : undefined);
    await stage.push('foreign');
    await expect.poll(() => stage.copying.begun.length).toBeGreaterThan(0);
    await failedBefore(stage, 4);
    await stage.push('v1');
    await expect.poll(() => stage.copying.done).toEqual(['v1']);
    await expect.poll(async () => (await linkOf(stage)).jobs).toMatchObject({ parked: 1, pending: 0 });
    expect((await stage.replication.status()).peers).toMatchObject([{ isUp: true }]);
  });
});

describe('a peer with the name of this site', () => {
  test('is in trouble until it has another one', async () => {
    await using stage = await openStage({ site: 'eu-west' });
    await stage.stop();
    stage.peer().site = 'eu-west';
    const { pings } = stage.peer();
    const gate = Promise.withResolvers<void>();
    stage.peer().beforePing = () => gate.promise;
    await stage.push('v1');
    await stage.start();
    await expect.poll(async () => (await linkOf(stage)).jobs.pending).toBe(1);
    await expect.poll(() => stage.peer().pings).toBeGreaterThan(pings);
    gate.resolve();
    await expect.poll(() => stage.peer().pings).toBeGreaterThan(pings + 2);
    expect((await stage.replication.status()).peers).toMatchObject([
      { isUp: false, site: 'eu-west', error: expect.stringContaining('the same site name as this site, "eu-west"') },
    ]);
    expect(stage.copying.begun).toEqual([]);
    stage.peer().site = 'us-east';
    await untilDone(stage);
    expect(stage.copying.done).toEqual(['v1']);
  });

  test('is none where it is configured to be called so', async () => {
    await using stage = await openStage({ site: 'eu-west', peers: [{ name: 'us-east', site: 'eu-west' }] });
    stage.peer().site = 'eu-west';
    await stage.push('v1');
    await untilDone(stage);
    expect((await stage.replication.status()).peers).toMatchObject([{ isUp: true }]);
  });
});

describe('a job that a peer refuses', () => {
  test('is parked when it was refused often enough, with the reason, and others go on', async () => {
    await using stage = await openStage();
    stage.copying.script = ({ job }) => {
      if (job.reference === 'bad') throw failure('REFUSED', { status: 400 });
    };
    await stage.push('bad');
    await stage.push('good');
    await expect.poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.attempts).toBe(1);
    expect(stage.copying.done).toEqual(['good']);
    await failedBefore(stage, 4);
    await expect.poll(async () => (await linkOf(stage)).jobs.parked).toBe(1);
    expect(await stage.replication.operations.jobs({ state: 'parked', limit: 10 })).toMatchObject([
      { reference: 'bad', state: 'parked', attempts: 5, reason: 'us-east: it says REFUSED' },
    ]);
    expect((await stage.index.listJobRecords({ limit: 1 }))[0]).toMatchObject({ outcome: 'parked' });
    expect((await linkOf(stage)).lastError?.message).toBe('local/app bad: us-east: it says REFUSED');
    expect((await linkOf(stage)).lagSeconds).toBeGreaterThan(0);
  });

  test('is tried again when it is asked for anew, or an operator wants it', async () => {
    await using stage = await openStage();
    stage.copying.script = () => {
      throw failure('DENIED', { status: 403 });
    };
    await stage.push('v1');
    await expect.poll(() => jobsLeft(stage)).toBe(1);
    await failedBefore(stage, 4);
    await expect.poll(async () => (await linkOf(stage)).jobs.parked).toBe(1);
    const tries = stage.copying.begun.length;
    expect(await stage.replication.operations.retry({})).toEqual({ jobs: 1 });
    await expect.poll(() => stage.copying.begun.length).toBe(tries + 1);
    // It has all of its tries again.
    await expect
      .poll(async () => (await stage.index.listJobs({ limit: 1 }))[0])
      .toMatchObject({
        state: 'pending',
        attempts: 1,
      });
    stage.copying.script = () => undefined;
    await stage.push('v1');
    await untilDone(stage);
  });

  test('for want of room is never given up', async () => {
    await using stage = await openStage();
    stage.copying.script = () => {
      throw failure('REFUSED', { status: 507 });
    };
    await stage.push('v1');
    await expect.poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.attempts).toBe(1);
    await failedBefore(stage, 100);
    await expect
      .poll(async () => (await stage.index.listJobs({ limit: 1 }))[0])
      .toMatchObject({
        state: 'pending',
        attempts: 101,
      });
    expect((await stage.replication.status()).peers[0]?.isUp).toBe(true);
  });

  test('that fails in another way than before has all tries', async () => {
    await using stage = await openStage();
    stage.copying.script = () => ({ outcome: 'incomplete', missing: 'sha256:0' });
    await stage.push('v1');
    await expect.poll(() => jobsLeft(stage)).toBe(1);
    await failedBefore(stage, 9, 'waiting');
    await expect.poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.attempts).toBe(10);
    stage.copying.script = () => {
      throw failure('REFUSED', { status: 400 });
    };
    // Due at once, with its tries: as when its delay is over.
    const [job] = await stage.index.listJobs({ limit: 1 });
    const soonMs = Date.now() + 3_600_000;
    await stage.index.leaseJobs({ peer: 'us-east', except: [], nowMs: soonMs, untilMs: soonMs, limit: 1 });
    const how = { state: 'waiting', dueAtMs: Date.now(), attempts: 10, reason: undefined } as const;
    await stage.index.returnJob(job?.id ?? 0, how, undefined);
    await stage.push('other');
    await expect
      .poll(async () => (await stage.index.listJobs({ limit: 1 }))[0])
      .toMatchObject({
        state: 'pending',
        attempts: 1,
      });
  });

  test('by a mistake of ours is parked in the end, like any', async () => {
    await using stage = await openStage();
    stage.copying.script = () => {
      throw new TypeError('x is not a function');
    };
    await stage.push('v1');
    await expect.poll(() => jobsLeft(stage)).toBe(1);
    await failedBefore(stage, 4);
    await expect.poll(async () => (await linkOf(stage)).jobs.parked).toBe(1);
  });
});

describe('a job whose content is not here', () => {
  test('waits for it, is not late, and is done when it is here', async () => {
    await using stage = await openStage();
    stage.copying.script = () => ({ outcome: 'incomplete', missing: 'sha256:0', digest: undefined });
    await stage.push('v1');
    await expect.poll(async () => (await linkOf(stage)).jobs.waiting).toBe(1);
    expect((await linkOf(stage)).lagSeconds).toBe(0);
    expect(await stage.replication.operations.jobs({ limit: 1 })).toMatchObject([{ reason: 'not here: sha256:0' }]);
    stage.copying.script = () => undefined;
    await untilDone(stage);
    expect(stage.copying.begun.length).toBeGreaterThan(1);
  });

  test('is given up in the end', async () => {
    await using stage = await openStage();
    stage.copying.script = () => ({ outcome: 'incomplete', missing: 'sha256:0' });
    await stage.push('v1');
    await expect.poll(async () => (await linkOf(stage)).jobs.waiting).toBe(1);
    await failedBefore(stage, 19, 'waiting');
    await untilDone(stage);
    expect((await stage.index.listJobRecords({ limit: 1 }))[0]).toMatchObject({ outcome: 'incomplete' });
  });
});

describe('a job that stands still', () => {
  test('is broken off and comes again, while one that moves goes on', async () => {
    await using stage = await openStage({ stallMs: 150 });
    const moving = Promise.withResolvers<void>();
    stage.copying.script = async ({ job, signal, onSent }) => {
      if (job.reference === 'still') {
        await aborted(signal);
        return;
      }
      const timer = setInterval(() => onSent(1), 10);
      await moving.promise;
      clearInterval(timer);
    };
    await stage.push('still');
    await expect.poll(async () => (await stage.index.listJobs({ limit: 1 }))[0]?.reason).toContain('nothing was sent');
    expect((await stage.replication.status()).peers[0]?.isUp).toBe(true);
    await stage.push('moving');
    await expect.poll(async () => (await linkOf(stage)).sentBytes, { timeout: 5000 }).toBeGreaterThan(20);
    expect(await stage.replication.operations.jobs({ state: 'running', limit: 5 })).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ reference: 'moving', sentBytes: expect.any(Number) })]),
    );
    moving.resolve();
    await expect.poll(() => stage.copying.done).toEqual(['moving']);
  });

  test('while it waits for what another one sends has more patience', async () => {
    await using stage = await openStage({ stallMs: 100 });
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.copying.script = async ({ job, signal, onSent }) => {
      const timer = job.reference === 'sends' ? setInterval(() => onSent(1), 10) : undefined;
      await Promise.race([promise, aborted(signal)]);
      clearInterval(timer);
    };
    await stage.push('sends');
    await stage.push('waits');
    await expect.poll(() => stage.copying.running).toBe(2);
    await new Promise((done) => setTimeout(done, 300));
    resolve();
    await untilDone(stage);
    expect(stage.copying.begun).toEqual(['sends', 'waits']);
  });
});
