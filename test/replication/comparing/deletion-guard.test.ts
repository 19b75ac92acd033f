import { afterEach, describe, expect, test, vi } from 'vitest';
import type { MetadataIndex } from '../../../src/metadata/metadata-index.ts';
import { DeletionGuard } from '../../../src/replication/comparing/deletion-guard.ts';
import type { ReplicationRule } from '../../../src/replication/rule.ts';
import { digestFor } from '../support/scripted-peer.ts';
import { APP, openSite, ruleWith, type Site } from '../support/site.ts';

const LINK = { rule: 'all', peer: 'us-east' };
const HOUR = 3_600_000;

interface GuardStage extends AsyncDisposable {
  readonly site: Site;
  readonly guard: DeletionGuard;
  readonly rule: ReplicationRule;
}

/** A site with so many tags. */
async function setStage(tags: number, changes: Partial<ReplicationRule> = {}): Promise<GuardStage> {
  const site = await openSite();
  if (tags > 0) await site.add({ name: 'image', tags: Array.from({ length: tags }, (_, number) => `t${number}`) });
  return {
    site,
    guard: new DeletionGuard(site),
    rule: ruleWith({ deletes: true, ...changes }),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

async function enqueue(
  index: MetadataIndex,
  names: readonly string[],
  { isDeletion = true, dueAtMs = Date.now(), link = LINK } = {},
): Promise<void> {
  await index.enqueueJobs(
    names.map((name) => ({
      ...link,
      repository: APP,
      reference: name,
      sequence: 0,
      sinceMs: Date.now(),
      priority: 0,
      dueAtMs,
      ...(isDeletion && { deleted: digestFor(name) }),
    })),
  );
}

function named(count: number, prefix = 'gone'): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}-${number}`);
}

/** Runs all jobs that are due as a worker does, without a peer. @returns how many were deleted */
async function work({ site: { index }, guard, rule }: GuardStage): Promise<number> {
  let deleted = 0;
  for (;;) {
    const nowMs = Date.now();
    const jobs = await index.leaseJobs({ peer: LINK.peer, except: [], nowMs, untilMs: nowMs + HOUR, limit: 7 });
    if (jobs.length === 0) return deleted;
    for (const job of jobs) {
      const permission = await guard.allows(job, rule);
      if (!permission.allowed) {
        const how = { state: 'held', dueAtMs: nowMs, attempts: 0, reason: permission.reason } as const;
        await index.returnJob(job.id, how, undefined);
        continue;
      }
      deleted += 1;
      const done = { outcome: 'deleted', startedAtMs: Date.now(), durationMs: 1, sentBytes: 0 };
      const { repository, reference } = job;
      await index.finishJob(job, { ...LINK, repository, reference, digest: job.deleted, error: undefined, ...done });
    }
  }
}

afterEach(() => {
  vi.useRealTimers();
});

describe('deletions', () => {
  test('go on while they are a small part of what there is', async () => {
    await using stage = await setStage(90);
    await enqueue(stage.site.index, named(10));
    expect(await work(stage)).toBe(10);
  });

  test('are held, all of them, when they are more than the rule allows', async () => {
    await using stage = await setStage(70);
    const { site, guard, rule } = stage;
    await enqueue(site.index, named(30));
    expect(await work(stage)).toBe(0);
    const held = await site.index.listJobs({ state: 'held', limit: 100 });
    expect(held).toHaveLength(30);
    expect(held[0]?.reason).toBe(
      '30 of 100 tags would be deleted (30 %, more than maxDelete 10 %): approve with `entrepot replication approve --rule all --peer us-east`',
    );
    expect(await guard.allows(LINK, rule)).toMatchObject({ allowed: false });
  });

  test('are one run with those of the last hour', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await using stage = await setStage(90);
    await enqueue(stage.site.index, named(8));
    expect(await work(stage)).toBe(8);
    await enqueue(stage.site.index, named(5, 'later'));
    expect(await work(stage)).toBe(0);
    vi.setSystemTime(Date.now() + HOUR + 1000);
    await stage.site.index.retryJobs({ states: ['held'] });
    expect(await work(stage)).toBe(5);
  });

  test('that wait for their time do not count, nor do copies and other links', async () => {
    await using stage = await setStage(18);
    const { index } = stage.site;
    await enqueue(index, named(50, 'waits'), { dueAtMs: Date.now() + HOUR });
    await enqueue(index, named(50, 'copied'), { isDeletion: false, dueAtMs: Date.now() + HOUR });
    await enqueue(index, named(50, 'other'), { link: { rule: 'other', peer: 'us-east' }, dueAtMs: Date.now() + HOUR });
    await enqueue(index, named(2));
    expect(await work(stage)).toBe(2);
  });

  test('are counted anew when more come than were known', async () => {
    await using stage = await setStage(90);
    await enqueue(stage.site.index, named(1));
    expect(await work(stage)).toBe(1);
    await enqueue(stage.site.index, named(500, 'more'));
    expect(await work(stage)).toBe(0);
  });

  test('are compared with the tags that the rule is about', async () => {
    await using stage = await setStage(40, { tags: ['v*'] });
    const { site } = stage;
    await site.add({ name: 'version', tags: Array.from({ length: 8 }, (_, number) => `v${number}`) });
    await site.add({ name: 'other', repository: 'docker.io/library/app', tags: ['v1', 'v2', 'v3'] });
    await enqueue(site.index, named(2));
    expect(await work(stage)).toBe(0);
    const [held] = await site.index.listJobs({ state: 'held', limit: 1 });
    expect(held?.reason).toContain('2 of 10 tags');
  });

  test('one at a time is always allowed, and any number where the rule says so', async () => {
    await using stage = await setStage(0, { maxDelete: 0 });
    await enqueue(stage.site.index, named(1));
    expect(await work(stage)).toBe(1);
    await using free = await setStage(0, { maxDelete: 1 });
    await enqueue(free.site.index, named(20));
    expect(await work(free)).toBe(20);
  });

  test('go on for an hour once they are approved, and do not count against what comes after', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await using stage = await setStage(70);
    const { site, guard } = stage;
    await enqueue(site.index, named(30));
    expect(await work(stage)).toBe(0);
    expect(await guard.approve({ rule: 'all', peer: 'eu-west' })).toBe(0);
    expect(await work(stage)).toBe(0);
    expect(await guard.approve(LINK)).toBe(30);
    expect(await work(stage)).toBe(30);
    vi.setSystemTime(Date.now() + HOUR - 1000);
    await enqueue(site.index, named(10, 'late'));
    expect(await work(stage)).toBe(10);
    vi.setSystemTime(Date.now() + 2000);
    await enqueue(site.index, named(2, 'later'));
    expect(await work(stage)).toBe(2);
    await enqueue(site.index, named(30, 'again'));
    expect(await work(stage)).toBe(0);
  });

  test('are approved by a command that a shell understands', async () => {
    await using stage = await setStage(0, { name: "ann's rule" });
    const link = { rule: "ann's rule", peer: 'us-east' };
    await enqueue(stage.site.index, named(2), { link });
    expect(await stage.guard.allows(link, stage.rule)).toMatchObject({
      reason: expect.stringContaining(String.raw`--rule 'ann'\''s rule' --peer us-east`),
    });
  });
});
