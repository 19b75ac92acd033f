import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { NewJob } from '../../src/metadata/replication-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { job, record } from './support/jobs.ts';
import { digest } from './support/rows.ts';

/** What every index does (src/metadata/replication-index.ts): jobs, for those who look after them. */
export function describeJobControlIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as a list of jobs,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const enqueue = (...jobs: Partial<NewJob>[]) => index.enqueueJobs(jobs.map(job));
    const lease = (nowMs = 1000, limit = 10) =>
      index.leaseJobs({ peer: 'us', except: [], nowMs, untilMs: nowMs + 500, limit });
    const giveBack = (id: number, state: 'pending' | 'waiting' | 'parked' | 'held', dueAtMs = 2000) =>
      index.returnJob(id, { state, dueAtMs, attempts: 3, reason: 'it was slow' }, undefined);
    const all = () => index.listJobs({ limit: 100 });
    /** One job in each state, of that name; all but the pending one have had their try. */
    const enqueueEach = async () => {
      await enqueue(...['waiting', 'parked', 'held', 'running'].map((reference) => ({ reference, sizeBytes: 10 })));
      for (const { id, reference } of await lease()) {
        if (reference === 'waiting' || reference === 'parked' || reference === 'held') await giveBack(id, reference);
      }
      await enqueue({ reference: 'pending', dueAtMs: 3000 });
    };

    test('counts by rule, peer, state and sort', async () => {
      expect(await index.countJobs()).toEqual([]);
      await enqueue(
        { reference: 'a', sinceMs: 200, sizeBytes: 5 },
        { reference: 'b', sinceMs: 100, sizeBytes: 7 },
        { reference: 'c', sinceMs: 50, deleted: digest('m'), dueAtMs: 9000 },
        { rule: 'other', reference: 'a', sinceMs: 300, dueAtMs: 9000 },
        { peer: 'asia', reference: 'a', sinceMs: 400, sizeBytes: 1 },
      );
      const base = { rule: 'base', peer: 'us', state: 'pending', isDeletion: false };
      const rest = [
        { ...base, isDeletion: true, jobs: 1, sizeBytes: 0, sinceMs: 50 },
        { ...base, rule: 'other', jobs: 1, sizeBytes: 0, sinceMs: 300 },
      ];
      const asia = { ...base, peer: 'asia', jobs: 1, sizeBytes: 1, sinceMs: 400 };
      expect(await index.countJobs()).toEqual([asia, { ...base, jobs: 2, sizeBytes: 12, sinceMs: 100 }, ...rest]);
      const [b] = await lease(1000, 1);
      const running = { ...base, state: 'running', jobs: 1, sizeBytes: 7, sinceMs: 100 };
      const pending = { ...base, jobs: 1, sizeBytes: 5, sinceMs: 200 };
      expect(await index.countJobs()).toEqual([asia, pending, rest[0], running, rest[1]]);
      await enqueue({ reference: 'a', sinceMs: 900, sizeBytes: 6 });
      index = await opened.reopen();
      expect(await index.countJobs()).toEqual([asia, { ...pending, sizeBytes: 6 }, rest[0], running, rest[1]]);
      await index.finishJob(b ?? { id: 0, sequence: 0 }, record());
      await index.pruneJobs([{ rule: 'base', peer: 'us' }]);
      expect(await index.countJobs()).toEqual([{ ...pending, sizeBytes: 6 }, rest[0]]);
    });

    test('is read by number, in pages, those that are asked for', async () => {
      await enqueueEach();
      await enqueue({ rule: 'other', reference: 'more' }, { peer: 'asia', reference: 'far' });
      const list = async (query: Partial<Parameters<MetadataIndex['listJobs']>[0]>) =>
        (await index.listJobs({ limit: 9, ...query })).map(({ reference }) => reference);
      expect(await list({})).toEqual(['waiting', 'parked', 'held', 'running', 'pending', 'more', 'far']);
      expect(await list({ limit: 2 })).toEqual(['waiting', 'parked']);
      const [, second] = await all();
      expect(await list({ limit: 2, after: second?.id ?? 0 })).toEqual(['held', 'running']);
      expect(await list({ rule: 'other' })).toEqual(['more']);
      expect(await list({ rule: 'base', peer: 'asia' })).toEqual(['far']);
      for (const state of ['waiting', 'parked', 'held', 'running'] as const) {
        expect(await list({ state })).toEqual([state]);
      }
    });

    test('tells when the next one is due', async () => {
      expect(await index.nextJobDue('us', [])).toBe(undefined);
      await enqueue(
        { reference: 'a', dueAtMs: 700 },
        { reference: 'b', dueAtMs: 4000 },
        { rule: 'other', reference: 'c', dueAtMs: 300 },
        { peer: 'asia', reference: 'd', dueAtMs: 100 },
      );
      expect(await index.nextJobDue('us', [])).toBe(300);
      expect(await index.nextJobDue('us', ['other'])).toBe(700);
      expect(await index.nextJobDue('us', ['other', 'base'])).toBe(undefined);
      expect(await index.nextJobDue('asia', [])).toBe(100);
      const [a, c] = await lease(1000);
      // That is when their leases end.
      expect(await index.nextJobDue('us', [])).toBe(1500);
      expect(await index.nextJobDue('us', ['base'])).toBe(1500);
      await giveBack(c?.id ?? 0, 'waiting', 2500);
      await giveBack(a?.id ?? 0, 'parked', 2000);
      expect(await index.nextJobDue('us', [])).toBe(2500);
      expect(await index.nextJobDue('us', ['other'])).toBe(4000);
    });

    test('retries those that are asked for, at once', async () => {
      await enqueueEach();
      expect(await index.retryJobs({ states: ['parked'], peer: 'asia' })).toBe(0);
      expect(await index.retryJobs({ states: ['parked'], rule: 'base', peer: 'us' })).toBe(1);
      expect((await lease()).map(({ reference, attempts, reason }) => [reference, attempts, reason])).toEqual([
        ['parked', 0, undefined],
      ]);
      const states = ['pending', 'running', 'waiting', 'parked', 'held'] as const;
      expect(await index.retryJobs({ states, id: -1 })).toBe(0);
      const [waiting] = await index.listJobs({ state: 'waiting', limit: 1 });
      expect(await index.retryJobs({ states, id: waiting?.id ?? 0 })).toBe(1);
      expect((await lease()).map(({ reference }) => reference)).toEqual(['waiting']);
      // Those that run are being tried.
      expect(await index.retryJobs({ states })).toBe(2);
      expect((await lease()).map(({ reference }) => reference)).toEqual(['held', 'pending']);
      expect(await index.retryJobs({ states: [] })).toBe(0);
    });

    test('loses those of rules and peers that are gone, and nobody runs any when it is begun with', async () => {
      await enqueueEach();
      await enqueue({ rule: 'other' }, { peer: 'asia' }, { rule: 'other', peer: 'asia' });
      await enqueue({ reference: 'running', sinceMs: 800, dueAtMs: 850 });
      const links = [
        { rule: 'base', peer: 'us' },
        { rule: 'other', peer: 'asia' },
      ];
      expect(await index.pruneJobs(links)).toBe(2);
      expect((await all()).map(({ rule, peer, reference, state }) => `${rule} ${peer} ${reference} ${state}`)).toEqual([
        'base us waiting waiting',
        'base us parked parked',
        'base us held held',
        'base us running pending',
        'base us pending pending',
        'other asia v1 pending',
      ]);
      expect((await lease()).map(({ reference, sinceMs }) => [reference, sinceMs])).toEqual([['running', 100]]);
      expect(await index.pruneJobs([])).toBe(6);
      expect(await index.countJobs()).toEqual([]);
    });
  });
}
