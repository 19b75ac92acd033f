import { describe, expect, test } from 'vitest';
import { Alarm } from '../../src/util/alarm.ts';

describe('a wait that can be cut short', () => {
  test('ends when it rings', async () => {
    const alarm = new Alarm();
    const waiting = alarm.wait(Infinity);
    alarm.ring();
    await expect(waiting).resolves.toBeUndefined();
  });

  test('ends at once when it rang since the last one', async () => {
    const alarm = new Alarm();
    alarm.ring();
    alarm.ring();
    await alarm.wait(Infinity);
    // It has been heard.
    let isOver = false;
    const next = alarm.wait(Infinity).then(() => (isOver = true));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(isOver).toBe(false);
    alarm.ring();
    await next;
  });

  test.each([-5, 0, 10])('ends after its time: %d ms', async (ms) => {
    await expect(new Alarm().wait(ms)).resolves.toBeUndefined();
  });
});
