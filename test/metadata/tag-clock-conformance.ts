import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Cause, Origin } from '../../src/metadata/event-index.ts';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'local/app';
const OTHER = 'local/other';
const ALICE = { actor: 'alice' };
/** The site whose index it is. */
const EU = 'eu';
const NOW_MS = 1_764_000_000_000;
const DAY_MS = 24 * 3_600_000;

/** A change that arrives from the site `us`. @param at ms after the test began */
function from(at: number, changes: Partial<Origin> = {}): Cause {
  return { actor: 'us', origin: { site: 'us', sequence: 70, clock: { ms: NOW_MS + at, count: 0 }, ...changes } };
}

/** What every index does (src/metadata/replication-index.ts): which change of a tag was the last. */
export function describeTagClockIndex(title: string, openIndex: (site: string) => Promise<IndexUnderTest>): void {
  describe(`${title}, as an index of when tags were changed,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: NOW_MS });
      opened = await openIndex(EU);
      index = opened.index;
    });
    afterEach(async () => {
      vi.useRealTimers();
      await opened[Symbol.asyncDispose]();
    });

    const push = (name: string, cause: Cause = ALICE, tags = ['v1']) =>
      index.pushManifest(manifest(name, { repository: APP, tags, atMs: Date.now() }), [], cause);
    const state = (tag = 'v1', repository = APP) => index.findTagState(repository, tag);
    const tombstone = (tag = 'v1') => index.findTombstone(APP, tag);
    const target = async (tag = 'v1') => (await index.findTag(APP, tag))?.digest;
    const clock = (at: number, count = 0) => ({ ms: NOW_MS + at, count });
    const events = async (after = 0) =>
      (await index.readEvents(after, 99)).map(({ kind, tag, digest: about, origin }) => [
        kind,
        tag,
        about,
        origin?.site,
      ]);
    const conflicts = () => index.listConflicts({ limit: 99 });

    describe('a change of this site', () => {
      test('is of now, has the number of its event, and is later than all before', async () => {
        expect(await state()).toBe(undefined);
        await push('m');
        expect(await state()).toEqual({
          digest: digest('m'),
          site: EU,
          sequence: 2,
          clock: clock(0),
          base: undefined,
        });
        await push('n', ALICE, ['v2', 'v1']);
        expect(await state('v2')).toMatchObject({ sequence: 4, clock: clock(0, 1) });
        expect(await state('v1')).toMatchObject({ digest: digest('n'), sequence: 5, clock: clock(0, 2) });
        vi.setSystemTime(NOW_MS + 7);
        await index.putManifest(manifest('n', { repository: APP, tags: ['v3'] }));
        expect(await state('v3')).toMatchObject({ site: EU, sequence: 6, clock: clock(7) });
        vi.setSystemTime(NOW_MS - 1000);
        await index.putTag(APP, 'v3', digest('m'), Date.now());
        expect(await state('v3')).toMatchObject({ digest: digest('m'), sequence: 7, clock: clock(7, 1) });
      });

      test('that changes nothing is none', async () => {
        await push('m');
        const before = await state();
        vi.setSystemTime(NOW_MS + 1000);
        await push('m');
        await index.putManifest(manifest('m', { repository: APP, tags: ['v1'] }));
        await index.putTag(APP, 'v1', digest('m'), 9);
        expect(await index.deleteTag(APP, 'v2', ALICE)).toBe('unknown');
        expect(await state()).toEqual(before);
        expect(await tombstone('v2')).toBe(undefined);
      });

      test('is later than what arrived, even from a clock that is ahead, and after a restart', async () => {
        await push('m', from(5000));
        await push('n');
        expect(await state()).toMatchObject({ digest: digest('n'), site: EU, clock: clock(5000, 1) });
        await index.dropTag(APP, 'v1');
        index = await opened.reopen();
        await push('m', ALICE, ['v2']);
        expect(await state('v2')).toMatchObject({ clock: clock(5000, 2) });
      });

      test('keeps what the tag pointed at before this site began to move it', async () => {
        await push('m');
        await push('n');
        expect(await state()).toMatchObject({ base: undefined });
        await push('o', from(10, { base: digest('n') }));
        expect(await state()).toMatchObject({ site: 'us', base: digest('n') });
        await push('p');
        await push('q');
        expect(await state()).toMatchObject({ site: EU, base: digest('o') });
        await index.deleteTag(APP, 'v1', ALICE);
        expect(await tombstone()).toMatchObject({ digest: digest('q'), base: digest('o') });
        await push('r');
        expect(await state()).toMatchObject({ base: digest('o') });
      });
    });

    describe('a deletion', () => {
      test('leaves a tombstone, until the tag is there again', async () => {
        await push('m');
        vi.setSystemTime(NOW_MS + 5);
        await index.deleteTag(APP, 'v1', ALICE);
        expect(await state()).toBe(undefined);
        expect(await tombstone()).toEqual({
          digest: digest('m'),
          site: EU,
          sequence: 3,
          clock: clock(5),
          base: undefined,
          deletedAtMs: NOW_MS + 5,
        });
        await push('n');
        expect(await tombstone()).toBe(undefined);
        expect(await state()).toMatchObject({ digest: digest('n'), clock: clock(5, 1) });
      });

      test('of a manifest leaves one for each of its tags', async () => {
        await push('m', ALICE, ['v2', 'v1']);
        await push('n', ALICE, ['v3']);
        await index.deleteManifest(APP, digest('m'), ALICE);
        expect(await tombstone('v1')).toMatchObject({ digest: digest('m'), sequence: 6 });
        expect(await tombstone('v2')).toMatchObject({ digest: digest('m'), sequence: 7 });
        expect(await tombstone('v3')).toBe(undefined);
        expect(await state('v3')).toBeDefined();
      });

      test('outlives the repository, and is listed page by page', async () => {
        await push('m', ALICE, ['b', 'a', 'c']);
        await index.pushManifest(manifest('m', { repository: OTHER, tags: ['a'] }), [], ALICE);
        await index.deleteManifest(APP, digest('m'), ALICE);
        await index.deleteTag(OTHER, 'a', ALICE);
        index = await opened.reopen();
        await index.sweep(1000);
        const list = async (after: string, limit: number) =>
          (await index.listTombstones({ repository: APP, after, limit })).map(({ tag }) => tag);
        expect(await list('', 2)).toEqual(['a', 'b']);
        expect(await list('b', 2)).toEqual(['c']);
        expect(await index.listTombstones({ repository: OTHER, limit: 9 })).toEqual([
          { tag: 'a', ...(await index.findTombstone(OTHER, 'a')) },
        ]);
      });

      test('is remembered for thirty days', async () => {
        await push('m', ALICE, ['v1', 'v2']);
        await index.deleteTag(APP, 'v1', ALICE);
        vi.setSystemTime(NOW_MS + 29 * DAY_MS);
        expect(await index.sweep(10)).toBe(0);
        expect(await tombstone()).toBeDefined();
        vi.setSystemTime(NOW_MS + 31 * DAY_MS);
        expect(await index.sweep(10)).toBe(1);
        expect(await tombstone()).toBe(undefined);
        expect(await state('v2')).toBeDefined();
      });

      test('is none when an upstream has no such tag, or when an image goes for want of space', async () => {
        await push('m', ALICE, ['v1', 'v2']);
        await index.dropTag(APP, 'v1');
        await index.previewDrop([{ repository: APP, digest: digest('m') }]);
        expect(await state('v2')).toBeDefined();
        await index.dropRoots([{ repository: APP, digest: digest('m') }]);
        for (const tag of ['v1', 'v2']) {
          expect(await state(tag)).toBe(undefined);
          expect(await tombstone(tag)).toBe(undefined);
        }
        await push('m', from(-5000));
        expect(await state()).toMatchObject({ site: 'us', clock: clock(-5000) });
      });
    });

    describe('a push that arrives', () => {
      test('moves the tag when it is later, as a change of the site where it was made', async () => {
        await push('m');
        const last = await index.lastEvent();
        const base = digest('m');
        expect(await push('n', from(10, { base }))).toEqual({ missing: [], kept: [] });
        expect(await state()).toEqual({ digest: digest('n'), site: 'us', sequence: 70, clock: clock(10), base });
        expect(await events(last)).toEqual([
          ['push', 'v1', digest('n'), 'us'],
          ['tag', 'v1', digest('n'), 'us'],
        ]);
        expect(await conflicts()).toEqual([]);
      });

      test('that is earlier is stored, but the tag stays', async () => {
        await push('m');
        const before = await state();
        const last = await index.lastEvent();
        expect(await push('n', from(-10), ['v1', 'v2'])).toEqual({
          missing: [],
          kept: [{ tag: 'v1', digest: digest('m') }],
        });
        expect(await target()).toBe(digest('m'));
        expect(await target('v2')).toBe(digest('n'));
        expect(await state()).toEqual(before);
        expect(await index.findManifest(APP, digest('n'))).toBeDefined();
        expect(await events(last)).toEqual([
          ['push', 'v2', digest('n'), 'us'],
          ['tag', 'v2', digest('n'), 'us'],
        ]);
      });

      test('that is here already is no event, however often it comes', async () => {
        await push('m', from(10), ['v1', 'v2']);
        const [before, last] = [await state(), await index.lastEvent()];
        for (const at of [10, 10, 5]) expect(await push('m', from(at))).toEqual({ missing: [], kept: [] });
        await index.pushManifest(manifest('m', { repository: APP }), [], from(20));
        expect(await state()).toEqual(before);
        // A later change to the same is the last one from now on.
        expect(await push('m', from(20, { sequence: 71 }))).toEqual({ missing: [], kept: [] });
        expect(await state()).toMatchObject({ sequence: 71, clock: clock(20) });
        // Turned down, and here already.
        await push('n', ALICE, ['v3']);
        const lastOwn = await index.lastEvent();
        expect(await push('m', from(-10), ['v3'])).toMatchObject({ kept: [{ tag: 'v3', digest: digest('n') }] });
        expect(await events(last)).toEqual([
          ['push', 'v3', digest('n'), undefined],
          ['tag', 'v3', digest('n'), undefined],
        ]);
        expect(await index.lastEvent()).toBe(lastOwn);
        await push('m', ALICE);
        expect(await events(lastOwn)).toEqual([['push', 'v1', digest('m'), undefined]]);
      });

      test('that lacks what it requires changes nothing, clocks included', async () => {
        await push('m');
        const before = await state();
        const record = manifest('n', { repository: APP, references: [reference('layer')], tags: ['v1', 'v2'] });
        expect(await index.pushManifest(record, [digest('layer')], from(10))).toEqual({
          missing: [digest('layer')],
          kept: [],
        });
        expect(await state()).toEqual(before);
        expect(await state('v2')).toBe(undefined);
      });

      test('without a time counts as a change of now', async () => {
        await push('m', from(10));
        await push('n', { actor: 'x', origin: { site: 'asia', sequence: 3 } });
        expect(await state()).toMatchObject({ digest: digest('n'), site: 'asia', sequence: 3, clock: clock(10, 1) });
        expect(await events(2)).toEqual([
          ['push', 'v1', digest('n'), 'asia'],
          ['tag', 'v1', digest('n'), 'asia'],
        ]);
      });

      test('late does not bring back a tag that was deleted', async () => {
        await push('m', from(-20));
        await index.deleteTag(APP, 'v1', ALICE);
        expect(await push('n', from(-10))).toEqual({ missing: [], kept: [{ tag: 'v1', digest: undefined }] });
        expect(await target()).toBe(undefined);
        expect(await tombstone()).toBeDefined();
        await push('n', from(10));
        expect(await target()).toBe(digest('n'));
      });
    });

    describe('a deletion that arrives', () => {
      test('takes the tag when it is later', async () => {
        await push('m');
        const last = await index.lastEvent();
        expect(await index.deleteTag(APP, 'v1', from(10, { base: digest('m') }))).toBe('deleted');
        expect(await tombstone()).toEqual({
          digest: digest('m'),
          site: 'us',
          sequence: 70,
          clock: clock(10),
          base: digest('m'),
          deletedAtMs: NOW_MS,
        });
        expect(await events(last)).toEqual([['untag', 'v1', digest('m'), 'us']]);
        expect(await index.deleteTag(APP, 'v1', from(10))).toBe('unknown');
        expect(await index.lastEvent()).toBe(last + 1);
      });

      test('leaves the tag when that was set later', async () => {
        await push('m');
        const [before, last] = [await state(), await index.lastEvent()];
        expect(await index.deleteTag(APP, 'v1', from(-10))).toBe('kept');
        expect(await state()).toEqual(before);
        expect(await index.lastEvent()).toBe(last);
      });

      test('before the push that it follows keeps that away', async () => {
        expect(await index.deleteTag(APP, 'v1', from(10, { base: digest('m') }))).toBe('unknown');
        expect(await tombstone()).toMatchObject({ digest: digest('m'), clock: clock(10) });
        expect(await index.deleteTag(OTHER, 'v1', from(10))).toBe('unknown');
        expect(await index.findTombstone(OTHER, 'v1')).toBe(undefined);
        expect(await index.listTombstones({ repository: OTHER, limit: 9 })).toEqual([]);
        const pushed = manifest('m', { tags: ['v1'] });
        for (const repository of [APP, OTHER]) {
          expect(await index.pushManifest({ ...pushed, repository }, [], from(5))).toMatchObject({
            kept: [{ tag: 'v1', digest: undefined }],
          });
        }
        expect(await target()).toBe(undefined);
        expect((await events()).map(([kind]) => kind)).toEqual(['push', 'push']);
      });

      test('of a manifest takes its tags, and leaves those that were set later, and then itself', async () => {
        await push('m', from(-10), ['v1', 'v2']);
        await push('m', ALICE, ['v3']);
        const last = await index.lastEvent();
        expect(await index.deleteManifest(APP, digest('m'), from(-5))).toEqual({
          tags: ['v1', 'v2'],
          manifests: [],
          doomed: [],
        });
        expect(await index.listTags(APP)).toEqual(['v3']);
        expect(await index.findManifest(APP, digest('m'))).toBeDefined();
        expect(await tombstone('v1')).toMatchObject({ site: 'us', clock: clock(-5) });
        expect(await index.deleteManifest(APP, digest('m'), from(5))).toMatchObject({
          tags: ['v3'],
          manifests: [digest('m')],
        });
        expect(await events(last)).toEqual([
          ['untag', 'v1', digest('m'), 'us'],
          ['untag', 'v2', digest('m'), 'us'],
          ['untag', 'v3', digest('m'), 'us'],
          ['delete', undefined, digest('m'), 'us'],
        ]);
      });

      test('of a manifest leaves it while an index lists it, and takes it with that', async () => {
        await push('m', ALICE, []);
        const references = [{ role: 'manifest', digest: digest('m'), sizeBytes: 1, mediaType: 'image' }] as const;
        await index.pushManifest(manifest('index', { repository: APP, references, tags: ['v1'] }), [], ALICE);
        const nothing = { tags: [], manifests: [], doomed: [] };
        expect(await index.deleteManifest(APP, digest('m'), from(5))).toEqual(nothing);
        expect(await index.findManifest(APP, digest('m'))).toBeDefined();
        expect(await index.deleteManifest(APP, digest('index'), from(5))).toMatchObject({
          tags: ['v1'],
          manifests: [digest('index'), digest('m')],
        });
      });
    });

    describe('a conflict', () => {
      const eu = (name: string) => ({ digest: digest(name), site: EU });
      const us = (name: string) => ({ digest: digest(name), site: 'us' });

      test('is noted when two sites changed a tag at once, whichever was later, and once for each that is lost', async () => {
        await push('m', ALICE, ['v1', 'v2']);
        await push('n', from(10), ['v1']);
        for (const _ of [1, 2]) await push('n', from(-10), ['v2']);
        const place = { atMs: NOW_MS, repository: APP };
        expect(await conflicts()).toEqual([
          { id: 2, ...place, tag: 'v2', kept: eu('m'), lost: us('n') },
          { id: 1, ...place, tag: 'v1', kept: us('n'), lost: eu('m') },
        ]);
        expect(await index.listConflicts({ before: 2, limit: 9 })).toMatchObject([{ id: 1 }]);
        expect(await index.listConflicts({ limit: 1 })).toMatchObject([{ id: 2 }]);
        expect(await index.countConflicts()).toBe(2);
        // The image that is lost can still be had by its digest.
        expect(await index.findManifest(APP, digest('n'))).toBeDefined();
        expect(await index.findManifest(APP, digest('m'))).toBeDefined();
      });

      test('is none when a site goes on from what another one has made', async () => {
        await push('m', from(-20));
        await push('n');
        expect(await push('m', from(-20))).toMatchObject({ kept: [{ tag: 'v1' }] });
        await push('o', from(10, { base: digest('n') }));
        await index.deleteTag(APP, 'v1', from(20, { base: digest('n') }));
        await push('p', from(30));
        expect(await conflicts()).toEqual([]);
        expect(await index.countConflicts()).toBe(0);
      });

      test('is noted too when one of the two is a deletion', async () => {
        await push('m', from(-20), ['v1', 'v2', 'v3']);
        await push('n', ALICE, ['v1', 'v2']);
        await index.deleteTag(APP, 'v3', ALICE);
        await index.deleteTag(APP, 'v1', from(10, { base: digest('m') }));
        await push('o', from(10, { base: digest('o') }), ['v3']);
        expect(await conflicts()).toMatchObject([
          { tag: 'v3', kept: us('o'), lost: eu('m'), deletion: 'lost' },
          { tag: 'v1', kept: us('m'), lost: eu('n'), deletion: 'kept' },
        ]);
      });

      test('is none where both sites have the tag from an upstream, and the later change counts all the same', async () => {
        const shared = (at: number): Cause => from(at, { isShared: true });
        await index.putManifest(manifest('m', { repository: APP, tags: ['v1', 'v2', 'v3'] }));
        await push('n', shared(10), ['v1']);
        expect(await push('n', shared(-10), ['v2'])).toMatchObject({ kept: [{ tag: 'v2' }] });
        expect(await index.deleteTag(APP, 'v3', shared(10))).toBe('deleted');
        expect([await target('v1'), await target('v2'), await target('v3')]).toEqual([
          digest('n'),
          digest('m'),
          undefined,
        ]);
        await push('o', shared(5), ['v3']);
        expect(await target('v3')).toBe(undefined);
        expect(await conflicts()).toEqual([]);
        expect(await index.countConflicts()).toBe(0);
        // Of whom the tag is is a matter of each change, not of the repository's past.
        await push('o', from(20), ['v2']);
        expect(await conflicts()).toMatchObject([{ tag: 'v2', kept: us('o'), lost: eu('m') }]);
      });

      test('is remembered with the thousand newest', { timeout: 60_000 }, async () => {
        const tags = Array.from({ length: 505 }, (_, number) => `v${number}`);
        for (const at of [10, 20]) {
          await push(`m${at}`, ALICE, tags);
          vi.setSystemTime(NOW_MS + at);
          await push(`n${at}`, from(at + 5), tags);
        }
        expect(await index.countConflicts()).toBe(1010);
        const newest = await index.listConflicts({ limit: 2000 });
        expect(newest.map(({ id }) => id)).toEqual(Array.from({ length: 1000 }, (_, number) => 1010 - number));
      });
    });

    test('clocks are put into an index that is built anew, where they are true', async () => {
      await push('m', from(10), ['v1', 'v2', 'v3']);
      await index.deleteTag(APP, 'v3', ALICE);
      const [made, deleted] = [await state(), await tombstone('v3')];
      await using rebuilt = await openIndex(EU);
      const former = { linked: new Set<never>(), tags: ['v1', 'v2'].map((tag) => ({ tag, movedAtMs: NOW_MS - 7 })) };
      await rebuilt.index.putManifest(manifest('m', { repository: APP, former }));
      expect(await rebuilt.index.findTagState(APP, 'v1')).toMatchObject({ site: EU, sequence: 0, clock: clock(-7) });
      const base = { repository: APP, site: 'us', sequence: 70, clock: clock(10), base: undefined };
      await rebuilt.index.restoreTagClocks([
        { ...base, tag: 'v1', digest: digest('m'), deletedAtMs: undefined },
        { ...base, tag: 'v2', digest: digest('n'), deletedAtMs: undefined },
        { ...base, tag: 'gone', digest: digest('m'), deletedAtMs: undefined },
        { ...base, tag: 'v2', digest: digest('m'), deletedAtMs: NOW_MS },
        { ...base, ...deleted, tag: 'v3', digest: digest('m'), deletedAtMs: NOW_MS },
      ]);
      expect(await rebuilt.index.findTagState(APP, 'v1')).toEqual(made);
      expect(await rebuilt.index.findTagState(APP, 'v2')).toMatchObject({ clock: clock(-7) });
      expect(await rebuilt.index.findTagState(APP, 'gone')).toBe(undefined);
      expect(await rebuilt.index.findTombstone(APP, 'v2')).toBe(undefined);
      expect(await rebuilt.index.findTombstone(APP, 'v3')).toEqual({ ...deleted, deletedAtMs: NOW_MS });
      await rebuilt.index.deleteTag(APP, 'v2', ALICE);
      expect(await rebuilt.index.findTombstone(APP, 'v2')).toMatchObject({ clock: clock(10, 2) });
    });
  });
}
