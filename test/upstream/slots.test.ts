import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Slots } from '../../src/upstream/slots.ts';

it('gives out so many slots and no more', async () => {
  const slots = new Slots('origin.test', 2);
  const first = await slots.take(undefined);
  await slots.take(undefined);
  let isThird = false;
  const third = slots.take(undefined).then(() => (isThird = true));
  await turn();
  expect(isThird).toBe(false);
  first();
  await third;
});

it('gives up a place in the queue at once', async () => {
  const slots = new Slots('origin.test', 1);
  const release = await slots.take(undefined);
  const abort = new AbortController();
  const waiting = slots.take(abort.signal);
  const next = slots.take(undefined);
  abort.abort(new Error('gone'));
  await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT', cause: new Error('gone') });
  release();
  (await next)();
});

it('loses no slot to a caller who leaves in the moment of getting it', async () => {
  const slots = new Slots('origin.test', 1);
  const release = await slots.take(undefined);
  const abort = new AbortController();
  const waiting = slots.take(abort.signal);
  release();
  for (let ticks = 0; ticks < 3; ticks++) await Promise.resolve();
  abort.abort();
  await waiting.then(
    (got) => got(),
    () => {},
  );
  await expect(slots.take(undefined)).resolves.toBeTypeOf('function');
});

it('is given back once, however often it is released', async () => {
  const slots = new Slots('origin.test', 1);
  const release = await slots.take(undefined);
  release();
  release();
  await slots.take(undefined);
  const fourth = slots.take(AbortSignal.timeout(20));
  await expect(fourth).rejects.toMatchObject({ code: 'TIMEOUT' });
});

it('gives back the slot of a call that fails', async () => {
  const slots = new Slots('origin.test', 1);
  await expect(slots.run(undefined, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await slots.run(undefined, () => Promise.resolve('fine'))).toBe('fine');
});
