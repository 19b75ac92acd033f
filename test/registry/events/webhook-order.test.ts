import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Reaction, startReceiver } from './support/receiver.ts';
import { idsOf, openStage } from './support/stage.ts';

const REACTIONS: readonly Reaction[] = [204, 204, 500, 429, 'reset', 408];

test('whatever fails, and whenever it is started again, each event comes, in the order of its repository', async () => {
  const acts = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
      { weight: 1, arbitrary: fc.constant('wait' as const) },
    ),
    { minLength: 1, maxLength: 8 },
  );
  const script = fc.array(fc.nat(REACTIONS.length - 1), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(acts, script, fc.integer({ min: 1, max: 5 }), async (all, reactions, pageEvents) => {
      const left = reactions.map((number) => REACTIONS[number] ?? 204);
      await using receiver = await startReceiver(() => left.shift() ?? 204);
      await using stage = await openStage();
      const settings = { webhooks: [{ url: receiver.url }], pageEvents, maxOpenEvents: pageEvents * 2 };
      let outlet = await stage.open(settings);
      const happened = new Map<string, number[]>();
      for (const act of all) {
        if (act === 'restart') {
          await stage.restart();
          outlet = await stage.open(settings);
        } else if (act === 'wait') {
          const before = receiver.received.length;
          const isOver = async () =>
            receiver.received.length > before || (await outlet.status())[0]?.pendingEvents === 0;
          await expect.poll(isOver, { timeout: 60_000, interval: 5 }).toBe(true);
        } else {
          const repositories = act.map((number) => `local/${number}`);
          for (const [number, sequence] of (await stage.happen(...repositories)).entries()) {
            const repository = repositories[number] ?? '';
            happened.set(repository, [...(happened.get(repository) ?? []), sequence]);
          }
        }
      }
      await expect.poll(() => outlet.status(), { timeout: 60_000, interval: 5 }).toMatchObject([{ pendingEvents: 0 }]);
      for (const [repository, sequences] of happened) {
        const accepted = receiver.accepted.filter((event) => event.repository === repository);
        // What was answered, but not heard before a restart, comes twice; in what came first the order is kept.
        expect([...new Set(accepted.flatMap(({ ids }) => ids))]).toEqual(idsOf(sequences));
      }
    }),
    { numRuns: 25 },
  );
}, 120_000);
