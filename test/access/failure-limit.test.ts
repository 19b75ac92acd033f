import { describe, expect, test } from 'vitest';
import { FailureLimit } from '../../src/access/failure-limit.ts';

const MINUTE_MS = 60_000;

/** A limit and the clock that it goes by. */
function limitAt(startMs: number): { limit: FailureLimit; pass: (ms: number) => void } {
  let nowMs = startMs;
  return { limit: new FailureLimit(() => nowMs), pass: (ms) => void (nowMs += ms) };
}

function fail(limit: FailureLimit, address: string, times: number): void {
  for (let time = 0; time < times; time += 1) {
    expect(limit.waitMs(address)).toBeUndefined();
    limit.failed(address);
  }
}

describe('an address', () => {
  test('may fail ten times a minute, and then has to wait until the minute is over', () => {
    const { limit, pass } = limitAt(1000);
    fail(limit, '192.0.2.1', 10);
    pass(20_000);
    expect(limit.waitMs('192.0.2.1')).toBe(MINUTE_MS - 20_000);
    pass(39_999);
    expect(limit.waitMs('192.0.2.1')).toBe(1);
    pass(1);
    fail(limit, '192.0.2.1', 10);
    expect(limit.waitMs('192.0.2.1')).toBe(MINUTE_MS);
  });

  test('is not held up by others', () => {
    const { limit } = limitAt(0);
    fail(limit, '192.0.2.1', 10);
    expect(limit.waitMs('192.0.2.2')).toBeUndefined();
  });

  test('of IPv6 counts with its /64, not with the next one', () => {
    const { limit } = limitAt(0);
    for (let host = 1; host <= 10; host += 1) fail(limit, `2001:db8::${host.toString(16)}`, 1);
    expect(limit.waitMs('2001:db8::abcd')).toBe(MINUTE_MS);
    expect(limit.waitMs('2001:db8:0:1::1')).toBeUndefined();
  });

  test('may try any number of times as long as nothing fails', () => {
    const { limit } = limitAt(0);
    fail(limit, '192.0.2.1', 9);
    for (let time = 0; time < 20; time += 1) expect(limit.waitMs('192.0.2.1')).toBeUndefined();
  });
});
