import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RegistryEvent } from '../../src/metadata/event-index.ts';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'docker.io/library/app';
const OTHER = 'local/other';
const ALICE = { actor: 'alice' };

/** What every index does (src/metadata/metadata-index.ts): the log of what happens. */
export function describeEventIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as a log of events,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const all = () => index.readEvents(0, 1000);
    /** What happened, in short. */
    const story = async (after = 0) =>
      (await index.readEvents(after, 1000)).map((one) => [one.kind, one.repository, one.digest, one.tag, one.previous]);
    const event = (kind: string, name: string, more: { tag?: string; previous?: string; repository?: string } = {}) => {
      const { repository = APP, tag, previous } = more;
      return [kind, repository, digest(name), tag, previous && digest(previous)];
    };

    test('is empty at first', async () => {
      expect(await all()).toEqual([]);
      expect(await index.lastEvent()).toBe(0);
      expect(await index.trimEvents({ beforeMs: Date.now() }, 10)).toBe(0);
    });

    test('tells what came from an upstream, once, and the tags that moved by it', async () => {
      const { mediaType } = manifest('m');
      await index.putManifest(manifest('m', { tags: ['v1'], atMs: 5000 }));
      const known = { atMs: 5000, repository: APP, digest: digest('m'), mediaType, sizeBytes: 1000 };
      const nobody = { previous: undefined, actor: undefined, origin: undefined };
      expect(await all()).toEqual([
        { sequence: 1, kind: 'fill', ...known, tag: undefined, ...nobody },
        { sequence: 2, kind: 'tag', ...known, tag: 'v1', ...nobody },
      ]);
      await index.putManifest(manifest('m', { tags: ['v1'], atMs: 6000 }));
      await index.putTag(APP, 'v1', digest('m'), 7000);
      expect(await index.lastEvent()).toBe(2);
      await index.putManifest(manifest('n', { tags: ['v1'], atMs: 8000 }));
      await index.putTag(APP, 'v1', digest('m'), 9000);
      await index.putManifest(manifest('m', { repository: OTHER }));
      expect(await story(2)).toEqual([
        event('fill', 'n'),
        event('tag', 'n', { tag: 'v1', previous: 'm' }),
        event('tag', 'm', { tag: 'v1', previous: 'n' }),
        event('fill', 'm', { repository: OTHER }),
      ]);
    });

    test('tells of a manifest whose bytes come back only that they came the first time', async () => {
      await index.putManifest(manifest('m', { tags: ['v1'] }));
      await index.removeBlobs([digest('m')]);
      await index.putManifest(manifest('m', { tags: ['v1'] }));
      expect(await story()).toEqual([event('fill', 'm'), event('tag', 'm', { tag: 'v1' })]);
    });

    test('tells what clients did, who it was, and where it happened first', async () => {
      const origin = { site: 'eu-west', sequence: 77 };
      await index.pushBlob({ repository: OTHER, digest: digest('b'), sizeBytes: 9, atMs: 1 }, ALICE);
      await index.mountBlob({ repository: APP, digest: digest('b'), from: OTHER, atMs: 2 }, ALICE);
      await index.pushManifest(manifest('m', { tags: ['v1', 'v2'], atMs: 3 }), [], { ...ALICE, origin });
      await index.pushManifest(manifest('m', { tags: ['v1'], atMs: 4 }), [], { actor: 'bob' });
      await index.deleteTag(APP, 'v2', ALICE);
      await index.deleteManifest(APP, digest('m'), { actor: 'bob', origin });
      const events = await all();
      expect(await story()).toEqual([
        event('blob', 'b', { repository: OTHER }),
        event('blob', 'b'),
        event('push', 'm', { tag: 'v1' }),
        event('tag', 'm', { tag: 'v1' }),
        event('tag', 'm', { tag: 'v2' }),
        event('push', 'm', { tag: 'v1' }),
        event('untag', 'm', { tag: 'v2', previous: 'm' }),
        event('untag', 'm', { tag: 'v1', previous: 'm' }),
        event('delete', 'm'),
      ]);
      const actors = ['alice', 'alice', 'alice', 'alice', 'alice', 'bob', 'alice', 'bob', 'bob'];
      expect(events.map(({ actor }) => actor)).toEqual(actors);
      const origins = events.map((one) => one.origin);
      expect(origins).toEqual([undefined, undefined, origin, origin, origin, undefined, undefined, origin, origin]);
      expect(events.slice(0, 6).map(({ atMs }) => atMs)).toEqual([1, 2, 3, 3, 3, 4]);
      expect(events[1]).toMatchObject({ mediaType: undefined, sizeBytes: 9 });
      expect(events[8]).toMatchObject({ mediaType: manifest('m').mediaType, sizeBytes: 1000 });
    });

    test('tells of each manifest that goes with another one, that one first', async () => {
      await index.pushManifest(manifest('child'), [], ALICE);
      await index.pushManifest(manifest('index', { references: [reference('child', 'manifest')] }), [], ALICE);
      const last = await index.lastEvent();
      await index.deleteManifest(APP, digest('index'), ALICE);
      expect(await story(last)).toEqual([event('delete', 'index'), event('delete', 'child')]);
    });

    test('tells nothing of what did not happen', async () => {
      await index.putManifest(manifest('m', { tags: ['v1'] }));
      const last = await index.lastEvent();
      await index.dropTag(APP, 'v2');
      await index.deleteTag(APP, 'v2', ALICE);
      await index.deleteManifest(APP, digest('n'), ALICE);
      await index.mountBlob({ repository: OTHER, digest: digest('n'), from: APP, atMs: 1 }, ALICE);
      await index.pushManifest(manifest('n'), [digest('unheard')], ALICE);
      const broken = { ...reference('late'), role: null as unknown as 'layer' };
      await expect(index.putManifest(manifest('n', { references: [broken] }))).rejects.toMatchObject({
        code: 'INDEX_FAILED',
      });
      await expect(index.putTag(APP, 'v1', digest('n'), 1)).rejects.toMatchObject({ code: 'NO_MANIFEST' });
      expect(await story(last)).toEqual([]);
    });

    test('tells that an upstream has deleted a tag, but not what goes for want of space, use or bytes', async () => {
      await index.putManifest(manifest('m', { references: [reference('layer')], tags: ['v1', 'v2'] }));
      await index.putBlob({ digest: digest('b'), sizeBytes: 1, repositories: [APP], atMs: 1 });
      await index.linkBlob(APP, digest('c'));
      const last = await index.lastEvent();
      await index.dropTag(APP, 'v1');
      await index.deleteBlob(APP, digest('b'));
      await index.previewDrop([{ repository: APP, digest: digest('m') }]);
      await index.dropRoots([{ repository: APP, digest: digest('m') }]);
      await index.sweep(100);
      expect(await story(last)).toEqual([event('untag', 'm', { tag: 'v1', previous: 'm' })]);
    });

    test('outlives what it tells of, and a restart', async () => {
      await index.pushManifest(manifest('m', { tags: ['v1'] }), [], ALICE);
      await index.deleteManifest(APP, digest('m'), ALICE);
      await index.settleDoomed([digest('m')]);
      await index.sweep(100);
      expect(await index.summarize({ limit: 9 })).toEqual([]);
      const before = await all();
      expect(before).toHaveLength(4);
      index = await opened.reopen();
      expect(await all()).toEqual(before);
      await index.pushManifest(manifest('m'), [], ALICE);
      expect(await index.lastEvent()).toBe(5);
    });

    test('is read from any place on, so many at a time', async () => {
      for (let number = 0; number < 10; number += 1) await index.putManifest(manifest(`m${number}`));
      const numbers = async (after: number, limit: number) =>
        (await index.readEvents(after, limit)).map(({ sequence }) => sequence);
      expect(await numbers(0, 3)).toEqual([1, 2, 3]);
      expect(await numbers(3, 3)).toEqual([4, 5, 6]);
      expect(await numbers(9, 3)).toEqual([10]);
      expect(await numbers(10, 3)).toEqual([]);
      expect(await numbers(99, 3)).toEqual([]);
      expect(await numbers(0, 0)).toEqual([]);
    });

    test('forgets its beginning, as far as it is old enough, and gives no number again', async () => {
      const times = [100, 200, 300, 150, 400];
      for (const [number, atMs] of times.entries()) await index.putManifest(manifest(`m${number}`, { atMs }));
      expect(await index.trimEvents({ beforeMs: 250 }, 1)).toBe(1);
      expect(await index.trimEvents({ beforeMs: 250 }, 10)).toBe(1);
      expect((await all()).map(({ atMs }) => atMs)).toEqual([300, 150, 400]);
      expect(await index.trimEvents({ beforeMs: 250 }, 10)).toBe(0);
      expect(await index.trimEvents({ beforeMs: 1000 }, 2)).toBe(2);
      expect(await index.trimEvents({ beforeMs: 1000 }, 10)).toBe(1);
      expect(await all()).toEqual([]);
      expect(await index.lastEvent()).toBe(5);
      index = await opened.reopen();
      expect(await index.lastEvent()).toBe(5);
      await index.putManifest(manifest('next'));
      expect((await all()).map(({ sequence }) => sequence)).toEqual([6]);
    });

    test('calls those who wait for events, once for those of one turn, until they do not want to be called', async () => {
      let [calls, others] = [0, 0];
      const listener = () => (calls += 1);
      const first = index.onEvents(listener);
      using _second = index.onEvents(() => (others += 1));
      await Promise.all(['a', 'b', 'c'].map((name) => index.putManifest(manifest(name, { tags: ['v1'] }))));
      await nextTurn();
      await nextTurn();
      expect([calls, others]).toEqual([1, 1]);
      await index.putTag(APP, 'v1', digest('c'), 9);
      await nextTurn();
      await nextTurn();
      expect(calls).toBe(1);
      first[Symbol.dispose]();
      await index.putManifest(manifest('d'));
      await nextTurn();
      await nextTurn();
      expect([calls, others]).toEqual([1, 2]);
    });

    test('has written what it calls for', async () => {
      const { promise: called, resolve } = Promise.withResolvers<Promise<RegistryEvent[]>>();
      using _listening = index.onEvents(() => resolve(index.readEvents(0, 9)));
      await index.putManifest(manifest('m'));
      expect(await called).toMatchObject([{ kind: 'fill', digest: digest('m') }]);
    });

    test('calls nobody when the index is closed', async () => {
      let calls = 0;
      index.onEvents(() => (calls += 1));
      await index.putManifest(manifest('m'));
      await index[Symbol.asyncDispose]();
      await nextTurn();
      await nextTurn();
      expect(calls).toBe(0);
    });

    test('is put in the place of another one, and its numbers go on above all that were ever given', async () => {
      await index.pushManifest(manifest('m', { tags: ['v1'] }), [], { ...ALICE, origin: { site: 'x', sequence: 3 } });
      await index.deleteManifest(APP, digest('m'), ALICE);
      const log = await all();
      await index.putManifest(manifest('other'));
      await index.restoreEvents(log, 40);
      expect(await all()).toEqual(log);
      expect(await index.lastEvent()).toBe(40);
      await index.putManifest(manifest('n'));
      expect(await index.readEvents(4, 9)).toMatchObject([{ sequence: 41, digest: digest('n') }]);
      await index.restoreEvents(await all(), 0);
      expect(await index.lastEvent()).toBe(41);
      await index.restoreEvents([], 50);
      expect(await all()).toEqual([]);
      expect(await index.lastEvent()).toBe(50);
      await index.restoreEvents([], 0);
      expect(await index.lastEvent()).toBe(0);
    });
  });
}
