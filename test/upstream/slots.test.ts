import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/upstream/slots.ts';
import type { Purpose } from '../../src/upstream/upstream.ts';

it('gives out so many slots and no more', async () => {
  const slots = new Slots('origin.test', 2);
  const first = await slots.take({});
  await slots.take({});
  let isThird = false;
  const third = slots.take({}).then(() => (isThird = true));
  await turn();
  expect(isThird).toBe(false);
  first();
  await third;
});

it('gives up a place in the queue at once', async () => {
  const slots = new Slots('origin.test', 1);
  const release = await slots.take({});
  const abort = new AbortController();
  const waiting = slots.take({ signal: abort.signal });
  const next = slots.take({});
  abort.abort(new Error('gone'));
  await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT', cause: new Error('gone') });
  release();
  (await next)();
});

it('loses no slot to a caller who leaves in the moment of getting it', async () => {
  const slots = new Slots('origin.test', 1);
  const release = await slots.take({});
  const abort = new AbortController();
  const waiting = slots.take({ signal: abort.signal });
  release();
  for (let ticks = 0; ticks < 3; ticks++) await Promise.resolve();
  abort.abort();
  await waiting.then(
    (got) => got(),
    () => {},
  );
  await expect(slots.take({})).resolves.toBeTypeOf('function');
});

it('is given back once, however often it is released', async () => {
  const slots = new Slots('origin.test', 1);
  const release = await slots.take({});
  release();
  release();
  await slots.take({});
  const fourth = slots.take({ signal: AbortSignal.timeout(20) });
  await expect(fourth).rejects.toMatchObject({ code: 'TIMEOUT' });
});

it('gives back the slot of a call that fails', async () => {
  const slots = new Slots('origin.test', 1);
  await expect(slots.run({}, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await slots.run({}, () => Promise.resolve('fine'))).toBe('fine');
});

describe('a slot that becomes free', () => {
  it('goes to the most important call, and among equals to the first', async () => {
    const slots = new Slots('origin.test', 1);
    const release = await slots.take({});
    const order: string[] = [];
    const calls = (['readAhead', 'warm', 'revalidation', 'miss', 'warm', 'miss'] as const).map((purpose, index) =>
      slots.run({ purpose }, () => Promise.resolve(order.push(`${purpose} ${index}`))),
    );
    release();
    await Promise.all(calls);
    expect(order).toEqual(['miss 3', 'miss 5', 'revalidation 2', 'warm 1', 'warm 4', 'readAhead 0']);
  });

  it('goes to a read-ahead that a client has joined meanwhile', async () => {
    const slots = new Slots('origin.test', 1);
    const release = await slots.take({});
    const order: string[] = [];
    let purpose: Purpose = 'readAhead';
    const calls = [
      slots.run({ purpose: 'readAhead' }, () => Promise.resolve(order.push('read-ahead'))),
      slots.run({ purpose: 'revalidation' }, () => Promise.resolve(order.push('revalidation'))),
      slots.run({ purpose: () => purpose }, () => Promise.resolve(order.push('joined'))),
    ];
    purpose = 'miss';
    release();
    await Promise.all(calls);
    expect(order).toEqual(['joined', 'revalidation', 'read-ahead']);
  });
});

describe('slots for misses', () => {
  it.each([
    [1, 1],
    [2, 1],
    [4, 3],
    [8, 6],
    [11, 9],
  ])('stay free: of %d, %d may be held by what no client waits for', async (count, background) => {
    const slots = new Slots('origin.test', count);
    let running = 0;
    for (let index = 0; index < count; index++) {
      void slots.take({ purpose: index % 2 === 0 ? 'warm' : 'readAhead' }).then(() => running++);
    }
    await turn();
    expect(running).toBe(background);
    await Promise.all(Array.from({ length: count - background }, () => slots.take({ purpose: 'miss' })));
  });

  it('are for what a client has joined too, also if no slot is given back', async () => {
    const slots = new Slots('origin.test', 2);
    let purpose: Purpose = 'readAhead';
    await slots.take({ purpose: 'readAhead' });
    const waiting = slots.take({ purpose: () => purpose });
    purpose = 'miss';
    await expect(waiting).resolves.toBeTypeOf('function');
  });

  it('leave room for more when a client joins what runs', async () => {
    const slots = new Slots('origin.test', 2);
    let purpose: Purpose = 'warm';
    await slots.take({ purpose: () => purpose });
    const waiting = slots.take({ purpose: 'warm' });
    purpose = 'miss';
    await expect(waiting).resolves.toBeTypeOf('function');
  });
});
