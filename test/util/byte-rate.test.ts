import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ByteRate } from '../../src/util/byte-rate.ts';

/** One who takes as much as there is, in pieces of that size, until the signal fires. */
function taker(rate: ByteRate, pieceBytes: number, signal: AbortSignal) {
  const taken = { bytes: 0 };
  void (async () => {
    while (!signal.aborted) {
      await rate.take(pieceBytes, signal);
      if (!signal.aborted) taken.bytes += pieceBytes;
    }
  })();
  return taken;
}

describe('a limit of bytes a second', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  test.each([
    [1000, [100]],
    [20_000, [16_384]],
    [1_000_000, [65_536]],
    [50_000_000, [65_536, 65_536, 200]],
    [1_000_000, [400, 65_536, 1_000_000]],
    [3, [1]],
  ])('of %d holds within 5 % over some seconds, whatever is taken', async (bytesPerSecond, pieces) => {
    const rate = new ByteRate(bytesPerSecond);
    const stop = new AbortController();
    const takers = pieces.map((piece) => taker(rate, piece, stop.signal));
    await vi.advanceTimersByTimeAsync(10_000);
    const total = takers.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(total).toBeLessThanOrEqual(bytesPerSecond * 10 * 1.05);
    // What is under way of the largest piece is not counted.
    const underWay = pieces.reduce((sum, piece) => sum + piece, 0);
    expect(total + underWay).toBeGreaterThanOrEqual(bytesPerSecond * 10 * 0.95);
    stop.abort();
  });

  test('holds after a rest: no more than a small part of a second is saved up', async () => {
    const rate = new ByteRate(100_000);
    await vi.advanceTimersByTimeAsync(60_000);
    const stop = new AbortController();
    const { signal } = stop;
    const taken = taker(rate, 1000, signal);
    await vi.advanceTimersByTimeAsync(1000);
    expect(taken.bytes).toBeGreaterThanOrEqual(95_000);
    expect(taken.bytes).toBeLessThanOrEqual(106_000);
    stop.abort();
  });

  test('gives the same to those who take much at once and those who take little', async () => {
    const rate = new ByteRate(1_000_000);
    const stop = new AbortController();
    const [greedy, modest] = [taker(rate, 500_000, stop.signal), taker(rate, 50_000, stop.signal)];
    await vi.advanceTimersByTimeAsync(10_000);
    expect(greedy.bytes).toBeGreaterThan(4_000_000);
    expect(modest.bytes).toBeGreaterThan(4_000_000);
    stop.abort();
  });

  test('lets one go whose signal fires, and others go on', async () => {
    const rate = new ByteRate(1000);
    const stop = new AbortController();
    const given = rate.take(1_000_000, stop.signal);
    const next = rate.take(500);
    await vi.advanceTimersByTimeAsync(100);
    stop.abort();
    await expect(given).resolves.toBeUndefined();
    await vi.advanceTimersByTimeAsync(1000);
    await expect(next).resolves.toBeUndefined();
  });

  test('does not make one wait whose signal has fired', async () => {
    await expect(new ByteRate(1).take(1_000_000, AbortSignal.abort())).resolves.toBeUndefined();
  });

  test('makes good what a busy process lost while somebody waited', async () => {
    const rate = new ByteRate(1_000_000);
    const stop = new AbortController();
    const taken = taker(rate, 10_000, stop.signal);
    let lostMs = 0;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + lostMs);
    for (let second = 0; second < 5; second += 1) {
      await vi.advanceTimersByTimeAsync(800);
      // No timer fires for a fifth of a second.
      lostMs += 200;
    }
    await vi.advanceTimersByTimeAsync(50);
    expect(taken.bytes).toBeGreaterThan(4_800_000);
    expect(taken.bytes).toBeLessThan(5_250_000);
    stop.abort();
  });
});

describe('in real time', () => {
  test('holds too', async () => {
    const rate = new ByteRate(2_000_000);
    const stop = new AbortController();
    const startedAt = performance.now();
    const takers = [taker(rate, 65_536, stop.signal), taker(rate, 16_384, stop.signal)];
    await new Promise((resolve) => setTimeout(resolve, 2000));
    stop.abort();
    const seconds = (performance.now() - startedAt) / 1000;
    const total = takers.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(total / seconds).toBeLessThan(2_000_000 * 1.05);
    expect(total / seconds).toBeGreaterThan(2_000_000 * 0.8);
  });
});
