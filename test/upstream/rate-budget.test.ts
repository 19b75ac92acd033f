import { describe, expect, it } from 'vitest';
import { RateBudget, type RateDemand } from '../../src/upstream/rate-budget.ts';

const START = 50_000;
const MINUTE = 60_000;
const MISS: RateDemand = { purpose: 'miss', isProbe: false };
const WARM: RateDemand = { purpose: 'warm', isProbe: false };
const PROBE: RateDemand = { purpose: 'revalidation', isProbe: true };

describe('a budget that was told nothing', () => {
  it.each<RateDemand>([MISS, WARM, PROBE])('holds nothing back: $purpose', (demand) => {
    const budget = new RateBudget(0.5);
    expect(budget.holdBack(demand, START)).toBeUndefined();
    expect([budget.shareAt(START), budget.blockedForMs(START), budget.numbersAt(START)]).toEqual([1, 0, undefined]);
  });
});

describe('the reserve', () => {
  it.each<[number, number, RateDemand['purpose'], boolean]>([
    [0.1, 11, 'readAhead', false],
    [0.1, 10, 'readAhead', true],
    [0.1, 10, 'warm', true],
    [0.1, 10, 'revalidation', true],
    [0.1, 10, 'miss', false],
    [0.1, 0, 'miss', false],
    [0, 0, 'readAhead', false],
    [1, 100, 'readAhead', true],
    [1, 100, 'miss', false],
  ])('%d of 100 with %d left: is %s held back? %s', (reserve, remaining, purpose, isHeld) => {
    const budget = new RateBudget(reserve);
    budget.told({ limit: 100, remaining, windowMs: undefined }, START);
    expect(budget.holdBack({ purpose, isProbe: false }, START)?.reason).toBe(isHeld ? 'reserve' : undefined);
    expect(budget.shareAt(START)).toBe(remaining / 100);
  });

  it('ends with the window that was told', () => {
    const budget = low({ windowMs: 20_000 });
    expect(budget.holdBack(WARM, START + 19_999)).toEqual({ reason: 'reserve', waitMs: 1 });
    expect(budget.holdBack(WARM, START + 20_000)).toBeUndefined();
    expect([budget.numbersAt(START + 20_000), budget.shareAt(START + 20_000)]).toEqual([undefined, 1]);
  });

  it('ends after six hours where no window was told', () => {
    const budget = low({});
    expect(budget.holdBack(WARM, START + 6 * 60 * MINUTE - 1)).toEqual({ reason: 'reserve', waitMs: 1 });
    expect(budget.holdBack(WARM, START + 6 * 60 * MINUTE)).toBeUndefined();
  });

  it('lets a probe through a minute after the numbers came, and then each minute', () => {
    const budget = low({});
    expect(budget.holdBack(PROBE, START)).toEqual({ reason: 'reserve', waitMs: MINUTE });
    expect(budget.holdBack(PROBE, START + MINUTE - 1)).toEqual({ reason: 'reserve', waitMs: 1 });
    expect(budget.holdBack(PROBE, START + MINUTE)).toBeUndefined();
    expect(budget.holdBack(WARM, START + MINUTE)).toEqual({ reason: 'reserve', waitMs: MINUTE });
    budget.sending(PROBE, START + MINUTE);
    expect(budget.holdBack(PROBE, START + MINUTE)).toEqual({ reason: 'reserve', waitMs: MINUTE });
    expect(budget.holdBack(PROBE, START + 2 * MINUTE)).toBeUndefined();
  });

  it('does not count as a probe what goes anyway', () => {
    const budget = new RateBudget(0.1);
    budget.told({ limit: 100, remaining: 50, windowMs: undefined }, START);
    budget.sending(PROBE, START + 30_000);
    budget.told({ limit: 100, remaining: 5, windowMs: undefined }, START + 30_000);
    budget.sending(MISS, START + 60_000);
    expect(budget.holdBack(PROBE, START + 90_000)).toBeUndefined();
  });

  it('ends when an answer that should tell the numbers tells none, but not by chance', () => {
    const budget = low({});
    budget.toldNothing(START + 1000);
    expect(budget.holdBack(WARM, START + 1000)?.reason).toBe('reserve');
    budget.toldNothing(START + MINUTE);
    expect(budget.holdBack(WARM, START + MINUTE)).toBeUndefined();
  });
});

describe('a 429', () => {
  it.each([
    ['for the time it tells', 3000, 3000],
    ['for five seconds if it tells none', undefined, 5000],
    ['not at all if it says so', 0, 0],
  ])('blocks %s', (_, retryAfterMs, blockedMs) => {
    const budget = new RateBudget(0.1);
    expect(budget.refused(retryAfterMs, START)).toBe(blockedMs);
    for (const demand of [MISS, WARM, PROBE]) {
      const expected = blockedMs === 0 ? undefined : { reason: 'blocked', waitMs: blockedMs };
      expect(budget.holdBack(demand, START)).toEqual(expected);
      expect(budget.holdBack(demand, START + blockedMs)).toBeUndefined();
    }
  });

  it('does not shorten the time that an earlier one told', () => {
    const budget = new RateBudget(0.1);
    budget.refused(60_000, START);
    expect(budget.refused(1000, START + 1000)).toBe(59_000);
    expect(budget.refused(90_000, START + 1000)).toBe(90_000);
  });
});

function low({ windowMs }: { windowMs?: number }): RateBudget {
  const budget = new RateBudget(0.1);
  budget.told({ limit: 100, remaining: 5, windowMs }, START);
  return budget;
}
