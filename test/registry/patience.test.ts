import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Patience } from '../../src/registry/patience.ts';

const never = new Promise<string>(() => undefined);

describe('patience', () => {
  // Only the clock: the waiting itself is real.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 }));
  afterEach(() => void vi.useRealTimers());

  test('gives a result, and a failure, that comes in time', async () => {
    const patience = new Patience();
    await expect(patience.wait('docker.io', Promise.resolve('value'))).resolves.toBe('value');
    await expect(patience.wait('docker.io', Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(patience.wait('docker.io', Promise.resolve('again'))).resolves.toBe('again');
  });

  test('ends after three seconds; then nobody waits for that upstream, for five seconds or until it answers', async () => {
    const [patience, other] = [new Patience(), new Patience()];
    const startedAt = performance.now();
    const waits = [patience, other].map((one) => one.wait('docker.io', never));
    expect(await Promise.all(waits)).toEqual([undefined, undefined]);
    const waitedMs = performance.now() - startedAt;
    expect(waitedMs).toBeGreaterThan(2900);
    expect(waitedMs).toBeLessThan(5000);

    const impatientAt = performance.now();
    const late = Promise.reject(new Error('late'));
    for (const work of [never, never, late]) {
      await expect(patience.wait('docker.io', work)).resolves.toBe(undefined);
    }
    expect(performance.now() - impatientAt).toBeLessThan(1000);
    await expect(patience.wait('ghcr.io', Promise.resolve('another'))).resolves.toBe('another');
    vi.setSystemTime(1_004_900);
    await expect(patience.wait('docker.io', never)).resolves.toBe(undefined);
    vi.setSystemTime(1_005_100);
    await expect(patience.wait('docker.io', Promise.resolve('value'))).resolves.toBe('value');

    vi.setSystemTime(1_001_000);
    await other.wait('docker.io', Promise.resolve('it works again'));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(other.wait('docker.io', Promise.resolve('value'))).resolves.toBe('value');
  });
});
