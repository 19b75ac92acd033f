import { expect, it } from 'vitest';
import { type BreakerLimits, CircuitBreaker } from '../../src/upstream/circuit-breaker.ts';

it('opens after five failures in a row, not before', () => {
  const { breaker, moves } = setUp();
  fail(breaker, 4);
  breaker.succeeded();
  fail(breaker, 4);
  expect(breaker.admit()).toBe(0);
  fail(breaker, 1);
  expect(breaker.admit()).toBe(1000);
  expect(moves).toEqual([true]);
});

it('lets a trial through after 1 s, 2 s, 4 s, then every 5 s', () => {
  const { breaker, clock } = setUp();
  fail(breaker, 5);
  const waits = Array.from({ length: 6 }, () => {
    const waitMs = breaker.admit();
    clock.now += waitMs;
    expect(breaker.admit()).toBe(0);
    breaker.failed();
    return waitMs;
  });
  expect(waits).toEqual([1000, 2000, 4000, 5000, 5000, 5000]);
});

it('says how it is without taking that for a trial', () => {
  const { breaker, clock } = setUp();
  expect([breaker.isOpen, breaker.waitMs]).toEqual([false, 0]);
  fail(breaker, 5);
  expect([breaker.isOpen, breaker.waitMs]).toEqual([true, 1000]);
  clock.now += 1000;
  expect([breaker.isOpen, breaker.waitMs, breaker.waitMs]).toEqual([true, 0, 0]);
  expect([breaker.admit(), breaker.waitMs]).toEqual([0, 2000]);
});

it('lets one trial through at a time', () => {
  const { breaker, clock } = setUp();
  fail(breaker, 5);
  clock.now += 1000;
  expect([breaker.admit(), breaker.admit(), breaker.admit()]).toEqual([0, 2000, 2000]);
});

it('lets the next trial through even if nobody ever heard of the last one', () => {
  const { breaker, clock } = setUp();
  fail(breaker, 5);
  clock.now += 1000;
  breaker.admit();
  clock.now += 2000;
  expect(breaker.admit()).toBe(0);
});

it('closes with the first success, and begins anew', () => {
  const { breaker, clock, moves } = setUp();
  fail(breaker, 5);
  clock.now += 1000;
  breaker.admit();
  breaker.succeeded();
  fail(breaker, 4);
  expect(breaker.admit()).toBe(0);
  fail(breaker, 1);
  expect(breaker.admit()).toBe(1000);
  expect(moves).toEqual([true, false, true]);
});

it('may be given other limits', () => {
  const { breaker, clock } = setUp({ failures: 2, maxPauseMs: 3000 });
  fail(breaker, 2);
  const waits = Array.from({ length: 4 }, () => {
    const waitMs = breaker.admit();
    clock.now += waitMs;
    breaker.admit();
    return waitMs;
  });
  expect(waits).toEqual([1000, 2000, 3000, 3000]);
});

function setUp(limits?: BreakerLimits) {
  const clock = { now: 5000 };
  const moves: boolean[] = [];
  const onMove = (open: boolean) => void moves.push(open);
  const breaker = new CircuitBreaker({ now: () => clock.now, onMove, ...(limits && { limits }) });
  return { breaker, clock, moves };
}

function fail(breaker: CircuitBreaker, times: number): void {
  for (let count = 0; count < times; count++) breaker.failed();
}
