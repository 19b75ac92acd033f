import { describe, expect, test } from 'vitest';
import { DEFAULT_RETRIES, isRefusal, judgeDelivery } from '../../../src/registry/events/judge-delivery.ts';

const first = { attempts: 1, refusals: 0 };
const answer = (status: number, retryAfterMs?: number) => ({ status, retryAfterMs });
const judge = (status: number | undefined, history = first, retryAfterMs?: number, chance = 1) =>
  judgeDelivery(status === undefined ? undefined : answer(status, retryAfterMs), history, DEFAULT_RETRIES, chance);

describe('a delivery', () => {
  test.each([200, 201, 202, 204, 299])('is done by %d', (status) => {
    expect(judge(status)).toEqual({ kind: 'delivered' });
  });

  test.each([undefined, 401, 403, 407, 408, 425, 429, 500, 501, 502, 503, 504, 599])(
    'comes again for ever after %s',
    (status) => {
      for (const attempts of [1, 10, 1000])
        expect(judge(status, { attempts, refusals: 100 })).toMatchObject({ kind: 'retry' });
    },
  );

  test.each([301, 302, 307, 400, 404, 405, 410, 413, 415, 422])('is dropped when %d came too often', (status) => {
    expect(isRefusal(status)).toBe(true);
    expect(judge(status, { attempts: 4, refusals: 4 })).toMatchObject({ kind: 'retry' });
    expect(judge(status, { attempts: 5, refusals: 5 })).toEqual({ kind: 'dropped' });
  });

  test.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [9, 256_000],
    [10, 300_000],
    [5000, 300_000],
  ])('waits after attempt %d for up to %d ms', (attempts, delayMs) => {
    expect(judge(500, { attempts, refusals: 0 })).toEqual({ kind: 'retry', delayMs, quietMs: 0 });
    expect(judge(500, { attempts, refusals: 0 }, undefined, 0)).toMatchObject({ delayMs: delayMs / 2 });
  });

  test('waits for as long as the receiver wants, an hour at most', () => {
    expect(judge(429, first, 30_000, 0)).toEqual({ kind: 'retry', delayMs: 30_000, quietMs: 30_000 });
    expect(judge(503, first, 100, 0)).toEqual({ kind: 'retry', delayMs: 500, quietMs: 100 });
    expect(judge(429, first, 6 * 3_600_000)).toEqual({ kind: 'retry', delayMs: 3_600_000, quietMs: 3_600_000 });
  });
});
