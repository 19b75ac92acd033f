import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { NewJob } from '../../src/metadata/replication-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { job, record, TARGET } from './support/jobs.ts';
import { digest } from './support/rows.ts';

/** What every index does (src/metadata/replication-index.ts): jobs, for those who do them. */
export function describeJobIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as a queue of jobs,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const lease = (nowMs = 1000, changes: Partial<Parameters<MetadataIndex['leaseJobs']>[0]> = {}) =>
      index.leaseJobs({ peer: 'us', except: [], nowMs, untilMs: nowMs + 500, limit: 10, ...changes });
    const references = async (...query: Parameters<typeof lease>) =>
      (await lease(...query)).map(({ reference }) => reference);
    const one = async (nowMs?: number) => {
      const [leased, ...others] = await lease(nowMs);
      expect(others).toEqual([]);
      if (!leased) throw new Error('there is no job to be leased');
      return leased;
    };
    const all = () => index.listJobs({ limit: 100 });
    const enqueue = (...jobs: Partial<NewJob>[]) => index.enqueueJobs(jobs.map(job));
    const giveBack = (id: number, changes: Partial<Parameters<MetadataIndex['returnJob']>[1]> = {}) =>
      index.returnJob(
        id,
        { state: 'pending', dueAtMs: 2000, attempts: 1, reason: 'it was slow', ...changes },
        undefined,
      );

    describe('a job', () => {
      test('is leased as it was asked for, and by nobody else until its lease is over', async () => {
        await enqueue({ sequence: 5, sinceMs: 100, priority: 2, dueAtMs: 300, sizeBytes: 77 });
        expect(await lease(299)).toEqual([]);
        expect(await lease(300, { peer: 'asia' })).toEqual([]);
        const leased = await one(300);
        expect(leased).toEqual({
          ...TARGET,
          id: leased.id,
          sequence: 5,
          sinceMs: 100,
          priority: 2,
          deleted: undefined,
          dueAtMs: 300,
          sizeBytes: 77,
          state: 'running',
          attempts: 0,
          reason: undefined,
          progress: undefined,
        });
        expect(await all()).toEqual([leased]);
        expect(await lease(799)).toEqual([]);
        expect(await one(800)).toEqual(leased);
      });

      test('goes on as long as its lease is renewed', async () => {
        await enqueue({});
        const { id } = await one(1000);
        expect(await index.renewJob(id, 3000)).toBe(true);
        expect(await lease(2999)).toEqual([]);
        expect(await lease(3000, { limit: 0 })).toEqual([]);
        expect(await index.renewJob(id, 9000)).toBe(false);
        expect(await index.renewJob(id + 1, 9000)).toBe(false);
        expect(await one(3000)).toMatchObject({ id });
      });

      test('is over when it is done, and one for the same target is another one', async () => {
        await enqueue({ sinceMs: 100 });
        const first = await one();
        await index.saveJobProgress(first.id, 'half');
        await index.finishJob(first, record());
        expect(await all()).toEqual([]);
        expect(await index.renewJob(first.id, 9000)).toBe(false);
        await enqueue({ sinceMs: 400 });
        const second = await one();
        expect(second).toMatchObject({ sinceMs: 400, progress: undefined });
        expect(second.id).toBeGreaterThan(first.id);
      });

      test('that is given back is due when it was said, with what is known of it', async () => {
        await enqueue({ sinceMs: 100 });
        const { id } = await one();
        await index.saveJobProgress(id, 'half');
        await giveBack(id);
        expect(await lease(1999)).toEqual([]);
        expect(await one(2000)).toMatchObject({
          id,
          sinceMs: 100,
          dueAtMs: 2000,
          attempts: 1,
          reason: 'it was slow',
          progress: 'half',
        });
        await index.saveJobProgress(id, undefined);
        await giveBack(id, { state: 'waiting', dueAtMs: 3000, reason: undefined });
        expect(await one(3000)).toMatchObject({ id, reason: undefined, progress: undefined });
      });

      test.each(['parked', 'held'] as const)('that is %s is not leased until it is asked for anew', async (state) => {
        await enqueue({});
        const { id } = await one();
        await index.saveJobProgress(id, 'half');
        await giveBack(id, { state, dueAtMs: 1000, attempts: 5, reason: 'it is refused' });
        expect(await lease(9999)).toEqual([]);
        expect(await all()).toMatchObject([{ id, state, attempts: 5, reason: 'it is refused' }]);
        await enqueue({});
        expect(await one()).toMatchObject({ id, attempts: 0, reason: undefined, progress: 'half' });
      });

      test('is one for each rule, peer, repository and reference', async () => {
        const others = [{ rule: 'other' }, { peer: 'asia' }, { repository: 'local/other' }, { reference: 'v2' }];
        await enqueue({}, ...others, {}, ...others);
        expect(await all()).toHaveLength(5);
      });

      test('that is asked for twice counts from the older time, and is about the newer event', async () => {
        await enqueue({ sequence: 5, sinceMs: 100, dueAtMs: 100 });
        await enqueue({ sequence: 9, sinceMs: 200, dueAtMs: 200, priority: 3, sizeBytes: 8 });
        await enqueue({ sequence: 0, sinceMs: 300, dueAtMs: 300, priority: 3 });
        expect(await all()).toMatchObject([
          { sequence: 9, sinceMs: 100, dueAtMs: 100, priority: 3, sizeBytes: 8, state: 'pending' },
        ]);
      });

      test('of a deletion waits for its time, and is a copy at once when the tag is set again', async () => {
        await enqueue({ sinceMs: 100, dueAtMs: 100 });
        await enqueue({ sinceMs: 200, dueAtMs: 5000, deleted: digest('m') });
        expect(await lease(4999)).toEqual([]);
        await enqueue({ sinceMs: 300, dueAtMs: 300 });
        expect(await one()).toMatchObject({ deleted: undefined, sinceMs: 300, dueAtMs: 300 });
      });

      test('outlives a restart', async () => {
        await enqueue({}, { reference: 'v2' });
        const { id } = (await lease(1000, { limit: 1 }))[0] ?? { id: 0 };
        await index.saveJobProgress(id, 'half');
        const before = await all();
        index = await opened.reopen();
        expect(await all()).toEqual(before);
      });
    });

    describe('a job that is asked for while it runs', () => {
      test('is pending anew when it is done, as of that', async () => {
        await enqueue({ sequence: 5, sinceMs: 100 });
        const first = await one();
        await index.saveJobProgress(first.id, 'half');
        await enqueue({ sequence: 9, sinceMs: 700, dueAtMs: 750 }, { sequence: 8, sinceMs: 600, dueAtMs: 900 });
        expect(await lease()).toEqual([]);
        expect(await all()).toMatchObject([{ state: 'running', sinceMs: 100 }]);
        await index.finishJob(first, record());
        expect(await one()).toMatchObject({
          id: first.id,
          sequence: 9,
          sinceMs: 600,
          dueAtMs: 750,
          attempts: 0,
          progress: undefined,
        });
        await index.finishJob(first, record());
        expect(await all()).toEqual([]);
      });

      test('by no event is pending anew too', async () => {
        await enqueue({ sequence: 0 });
        const first = await one();
        await enqueue({ sequence: 0, sinceMs: 800 });
        await index.finishJob(first, record());
        expect(await one()).toMatchObject({ sequence: 0, sinceMs: 800 });
      });

      test('is due at once when it is not done', async () => {
        await enqueue({ sequence: 5, sinceMs: 100 });
        const { id } = await one();
        await enqueue({ sequence: 9, sinceMs: 700, dueAtMs: 700 });
        await giveBack(id, { state: 'parked', dueAtMs: 9000, attempts: 5 });
        expect(await one()).toMatchObject({ id, sequence: 9, sinceMs: 100, attempts: 0, reason: undefined });
      });

      test('is another one once its lease is over, and the end of the first try is no end of that', async () => {
        await enqueue({ sinceMs: 100 });
        const first = await one(1000);
        await enqueue({ sinceMs: 700, dueAtMs: 5000, deleted: digest('m') });
        expect(await lease(1500)).toEqual([]);
        expect(await all()).toMatchObject([{ state: 'pending', deleted: digest('m'), sinceMs: 100, dueAtMs: 5000 }]);
        await index.finishJob(first, record());
        await giveBack(first.id, { state: 'parked' });
        expect(await one(5000)).toMatchObject({ id: first.id, deleted: digest('m') });
      });
    });

    describe('of several jobs', () => {
      test('those that have been due for longest are leased first, if that is wanted', async () => {
        await enqueue(
          { reference: 'late', sinceMs: 1, dueAtMs: 1, priority: 5 },
          { reference: 'later', sinceMs: 2, dueAtMs: 2 },
          { rule: 'other', reference: 'latest', sinceMs: 3, dueAtMs: 3 },
          { reference: 'not yet', sinceMs: 1, dueAtMs: 1001 },
        );
        const [late] = await lease(1000, { limit: 1 });
        await giveBack(late?.id ?? 0, { dueAtMs: 500 });
        expect(await references(1000, { longestDueFirst: true, limit: 1 })).toEqual(['later']);
        expect(await references(1000, { longestDueFirst: true })).toEqual(['latest', 'late']);
      });

      test('those of the greatest priority are leased first, then the oldest, so many at most', async () => {
        await enqueue(
          { reference: 'late', sinceMs: 300, dueAtMs: 0 },
          { reference: 'early', sinceMs: 100, dueAtMs: 200 },
          { reference: 'urgent', sinceMs: 900, dueAtMs: 900, priority: 5 },
          { rule: 'other', reference: 'middle', sinceMs: 200, dueAtMs: 200 },
          { rule: 'other', reference: 'idle', sinceMs: 1, dueAtMs: 1, priority: -1 },
          { reference: 'not yet', sinceMs: 1, dueAtMs: 1001, priority: 9 },
        );
        expect(await references(1000, { limit: 2 })).toEqual(['urgent', 'early']);
        expect(await references(1000, { limit: 2 })).toEqual(['middle', 'late']);
        expect(await references(1001)).toEqual(['not yet', 'idle']);
        expect(await references(1001)).toEqual([]);
      });

      test('those of some rules are left out', async () => {
        await enqueue({ reference: 'a' }, { rule: 'other', reference: 'b' }, { rule: 'third', reference: 'c' });
        expect(await references(1000, { except: ['base', 'third'] })).toEqual(['b']);
        expect(await references(1000, { except: ['base', 'third'] })).toEqual([]);
        expect(await references()).toEqual(['a', 'c']);
      });

      test('each is leased once, however many there are', async () => {
        const names = Array.from({ length: 1300 }, (_, number) => `v${number}`);
        await enqueue(
          ...names.map((reference, number) => ({ reference, sinceMs: number, dueAtMs: 1_800_000_000_000 })),
        );
        const leased: string[] = [];
        for (let batch = ['']; batch.length > 0; leased.push(...batch)) {
          batch = await references(1_800_000_000_000, { limit: 300 });
        }
        expect(leased.toSorted()).toEqual(names.toSorted());
      });
    });

    describe('the history', () => {
      test('has each try that ended', async () => {
        await enqueue({}, { reference: 'v2' });
        const [first, second] = await lease();
        const failed = record({ outcome: 'failed', error: 'it was slow', digest: undefined, startedAtMs: 20 });
        const how = { state: 'pending', dueAtMs: 2000, attempts: 1, reason: 'it was slow' } as const;
        await index.returnJob(first?.id ?? 0, how, failed);
        // Without a try, as when its rule is paused.
        await giveBack(second?.id ?? 0);
        const done = record({ reference: 'v2' });
        await index.finishJob(second ?? { id: 0, sequence: 0 }, done);
        expect(await index.listJobRecords({ limit: 9 })).toEqual([
          { id: 2, ...done },
          { id: 1, ...failed },
        ]);
      });

      test('is read newest first, in pages, for those that are asked for', async () => {
        for (let number = 0; number < 6; number += 1) {
          const rule = number % 2 === 0 ? 'base' : 'other';
          const outcome = number < 3 ? 'copied' : 'present';
          // Of jobs that are not there any more, which is no reason to forget what was done.
          const done = record({ rule, outcome, peer: number === 5 ? 'asia' : 'us', startedAtMs: number * 100 });
          await index.finishJob({ id: 77, sequence: 1 }, done);
        }
        const ids = async (query: Partial<Parameters<MetadataIndex['listJobRecords']>[0]>) =>
          (await index.listJobRecords({ limit: 9, ...query })).map(({ id }) => id);
        expect(await ids({})).toEqual([6, 5, 4, 3, 2, 1]);
        expect(await ids({ limit: 2 })).toEqual([6, 5]);
        expect(await ids({ limit: 2, before: 5 })).toEqual([4, 3]);
        expect(await ids({ rule: 'other' })).toEqual([6, 4, 2]);
        expect(await ids({ rule: 'other', peer: 'us' })).toEqual([4, 2]);
        expect(await ids({ outcome: 'present' })).toEqual([6, 5, 4]);
        // When it ended.
        expect(await ids({ sinceMs: 310 })).toEqual([6, 5, 4]);
        expect(await ids({ sinceMs: 311 })).toEqual([6, 5]);
      });

      test('is of the ten thousand newest', { timeout: 60_000 }, async () => {
        for (let number = 0; number < 10_200; number += 1) {
          await index.finishJob({ id: 77, sequence: 1 }, record({ startedAtMs: number }));
        }
        const kept = await index.listJobRecords({ limit: 20_000 });
        expect(kept.length).toBeGreaterThanOrEqual(10_000);
        expect(kept.length).toBeLessThan(10_100);
        expect(kept[0]).toMatchObject({ id: 10_200 });
      });
    });
  });
}
