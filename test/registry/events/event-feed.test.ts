import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RegistryEvent } from '../../../src/metadata/event-index.ts';
import { EventFeed, type EventFeedOptions } from '../../../src/registry/events/event-feed.ts';
import { quietTelemetry } from '../../upstream/connect.ts';
import { type EventStage, openStage } from './support/stage.ts';

/** A feed and one who follows it. */
interface Follower extends AsyncDisposable {
  readonly feed: EventFeed;
  /** What the log had lost when the feed began. */
  readonly missed: number;
  /** The next page; waits for it. */
  next(): Promise<readonly RegistryEvent[]>;
}

async function follow(stage: EventStage, options: Partial<EventFeedOptions> = {}): Promise<Follower> {
  const stop = new AbortController();
  const feed = new EventFeed({
    index: stage.index,
    reader: 'test',
    from: 'oldest',
    telemetry: quietTelemetry(),
    ...options,
  });
  const missed = await feed.load();
  const pages = feed.pages(stop.signal);
  return {
    feed,
    missed,
    next: async () => (await pages.next()).value ?? [],
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await pages.return();
      await feed[Symbol.asyncDispose]();
    },
  };
}

const numbers = (events: readonly RegistryEvent[]) => events.map(({ sequence }) => sequence);

describe('a reader of the event log', () => {
  test('is told what happened before it came and what happens later, in order', async () => {
    await using stage = await openStage();
    await stage.happen('local/a', 'local/b');
    await using reader = await follow(stage);
    expect(numbers(await reader.next())).toEqual([1, 2]);
    const waiting = reader.next();
    await stage.happen('local/c');
    expect(numbers(await waiting)).toEqual([3]);
  });

  test('that begins with the newest is told what happens from now on', async () => {
    await using stage = await openStage();
    await stage.happen('local/a', 'local/b');
    await using reader = await follow(stage, { from: 'newest' });
    await stage.happen('local/c');
    expect(numbers(await reader.next())).toEqual([3]);
  });

  test('that began with the newest is told after a restart what happened since its beginning', async () => {
    await using stage = await openStage();
    await stage.happen('local/a', 'local/b');
    await (await follow(stage, { from: 'newest' }))[Symbol.asyncDispose]();
    await stage.happen('local/c');
    await stage.restart();
    await using reader = await follow(stage, { from: 'newest' });
    expect(numbers(await reader.next())).toEqual([3]);
  });

  test('is told again after a restart what it did not settle, and of all above it', async () => {
    await using stage = await openStage();
    await stage.happen('local/a', 'local/b', 'local/c', 'local/d');
    {
      await using reader = await follow(stage);
      const events = await reader.next();
      reader.feed.settle(events.filter(({ sequence }) => sequence !== 2));
      expect(await reader.feed.lag()).toEqual({ events: 1, oldestAtMs: events[1]?.atMs });
    }
    await stage.restart();
    {
      await using reader = await follow(stage);
      const events = await reader.next();
      expect(numbers(events)).toEqual([2, 3, 4]);
      reader.feed.settle(events);
      expect(await reader.feed.lag()).toEqual({ events: 0, oldestAtMs: undefined });
    }
    await stage.restart();
    await using reader = await follow(stage);
    await stage.happen('local/e');
    expect(numbers(await reader.next())).toEqual([5]);
  });

  test('does not disturb another one', async () => {
    await using stage = await openStage();
    await stage.happen('local/a');
    {
      await using one = await follow(stage, { reader: 'one' });
      one.feed.settle(await one.next());
    }
    await using other = await follow(stage, { reader: 'other' });
    expect(numbers(await other.next())).toEqual([1]);
  });

  test('is given no more than it can have open, and the rest when it settles', async () => {
    await using stage = await openStage();
    await stage.happen(...Array.from({ length: 10 }, () => 'local/a'));
    await using reader = await follow(stage, { pageEvents: 2, maxOpenEvents: 4 });
    const [first, second] = [await reader.next(), await reader.next()];
    expect(numbers([...first, ...second])).toEqual([1, 2, 3, 4]);
    expect(await reader.feed.lag()).toEqual({ events: 10, oldestAtMs: first[0]?.atMs });
    let isGiven = false;
    const third = reader.next().then((events) => {
      isGiven = true;
      return events;
    });
    reader.feed.settle(first.slice(0, 1));
    // The log answers within a turn; this is many.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(isGiven).toBe(false);
    reader.feed.settle(first.slice(1));
    expect(numbers(await third)).toEqual([5, 6]);
  });

  test('is given a push and its tags at once, however the pages fall', async () => {
    await using stage = await openStage();
    await stage.happen('local/a');
    await stage.push('local/app', ['v1', 'v2']);
    await using reader = await follow(stage, { pageEvents: 3 });
    expect(numbers(await reader.next())).toEqual([1]);
    expect(numbers(await reader.next())).toEqual([2, 3, 4]);
  });

  test('does not wait for what goes from the log, read or not', async () => {
    await using stage = await openStage();
    await stage.happen('local/a', 'local/b', 'local/c', 'local/d', 'local/e');
    const [one, two, three, four] = await stage.index.readEvents(0, 4);
    if (!one || !two || !three || !four) throw new Error('the log is empty');
    {
      await using reader = await follow(stage, { pageEvents: 2, maxOpenEvents: 2 });
      expect(numbers(await reader.next())).toEqual([1, 2]);
      reader.feed.settle([one]);
      expect(reader.feed.abandon([one, two, three, four])).toEqual([two, three, four]);
      expect(reader.feed.isOpen(two)).toBe(false);
      expect(numbers(await reader.next())).toEqual([5]);
    }
    await stage.restart();
    await using reader = await follow(stage);
    expect(numbers(await reader.next())).toEqual([5]);
  });

  test('learns how many went while it was away', async () => {
    await using stage = await openStage();
    await stage.happen('local/a');
    {
      await using reader = await follow(stage);
      expect(reader.missed).toBe(0);
      reader.feed.settle(await reader.next());
    }
    await stage.happen('local/b', 'local/c', 'local/d');
    await stage.index.trimEvents({ beforeMs: Date.now() + 60_000 }, 3);
    {
      await using reader = await follow(stage);
      expect(reader.missed).toBe(2);
      expect(numbers(await reader.next())).toEqual([4]);
    }
    await stage.index.trimEvents({ beforeMs: Date.now() + 60_000 }, 3);
    await using reader = await follow(stage);
    expect(reader.missed).toBe(3);
    // One that was never here missed nothing.
    await using stranger = await follow(stage, { reader: 'stranger' });
    expect(stranger.missed).toBe(0);
  });

  test('lets others run while it catches up', async () => {
    await using stage = await openStage();
    await stage.happen(...Array.from({ length: 20 }, () => 'local/a'));
    await using reader = await follow(stage, { pageEvents: 1 });
    let turns = 0;
    const counting = () => {
      turns += 1;
      counted = setImmediate(counting);
    };
    let counted = setImmediate(counting);
    for (let number = 0; number < 20; number += 1) await reader.next();
    clearImmediate(counted);
    expect(turns).toBeGreaterThanOrEqual(19);
  });

  test('ends when its signal fires, while it waits', async () => {
    await using stage = await openStage();
    const reader = await follow(stage);
    const waiting = reader.next();
    await reader[Symbol.asyncDispose]();
    expect(await waiting).toEqual([]);
  });

  test('gets everything at least once, whatever it settles before it is started again', async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('happen' as const), repository: fc.nat(3) }),
        fc.record({ kind: fc.constant('settle' as const), share: fc.integer({ min: 1, max: 3 }) }),
        fc.record({ kind: fc.constant('restart' as const) }),
      ),
      { minLength: 1, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (all, pageEvents) => {
        await using stage = await openStage();
        const options = { pageEvents, maxOpenEvents: pageEvents * 3 };
        const settled = new Set<number>();
        let written = 0;
        let reader = await follow(stage, options);
        let open: RegistryEvent[] = [];
        for (const step of all) {
          if (step.kind === 'happen') {
            await stage.happen(`local/${step.repository}`);
            written += 1;
          } else if (step.kind === 'settle') {
            const lag = await reader.feed.lag();
            if (lag.events > open.length && open.length + pageEvents <= pageEvents * 3) {
              const page = await reader.next();
              expect(numbers(page)).toEqual([...numbers(page)].sort((one, other) => one - other));
              open.push(...page);
            }
            const chosen = open.filter((_, position) => position % step.share === 0);
            open = open.filter((event) => !chosen.includes(event));
            reader.feed.settle(chosen);
            for (const { sequence } of chosen) settled.add(sequence);
          } else {
            await reader[Symbol.asyncDispose]();
            await stage.restart();
            reader = await follow(stage, options);
            open = [];
          }
        }
        for (;;) {
          reader.feed.settle(open);
          for (const { sequence } of open) settled.add(sequence);
          if ((await reader.feed.lag()).events === 0) break;
          open = [...(await reader.next())];
        }
        await reader[Symbol.asyncDispose]();
        expect([...settled].sort((one, other) => one - other)).toEqual(
          Array.from({ length: written }, (_, position) => position + 1),
        );
      }),
      { numRuns: 12 },
    );
  });
});
