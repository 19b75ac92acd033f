import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Patience } from '../../src/registry/patience.ts';

const waitsMs: number[] = [];

// A second of waiting takes ten milliseconds here.
vi.mock(import('../../src/util/sleep.ts'), async (load) => {
  const { sleep, within } = await load();
  return {
    sleep,
    within: (ms, promise) => {
      waitsMs.push(ms);
      return within(ms / 100, promise);
    },
  };
});

const never = new Promise<string>(() => undefined);

describe('patience', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
    waitsMs.length = 0;
  });
  afterEach(() => void vi.useRealTimers());

  test('gives a result, and a failure, that comes in time', async () => {
    const patience = new Patience();
    await expect(patience.wait('docker.io', Promise.resolve('value'))).resolves.toBe('value');
    await expect(patience.wait('docker.io', Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(patience.wait('docker.io', Promise.resolve('again'))).resolves.toBe('again');
  });

  test('ends after three seconds, and then nobody waits for that upstream for five', async () => {
    const patience = new Patience();
    await expect(patience.wait('docker.io', never)).resolves.toBe(undefined);
    for (const work of [never, never, Promise.reject(new Error('late'))]) {
      await expect(patience.wait('docker.io', work)).resolves.toBe(undefined);
    }
    expect(waitsMs).toEqual([3000]);
    await expect(patience.wait('ghcr.io', Promise.resolve('another'))).resolves.toBe('another');
    vi.setSystemTime(1_004_900);
    await expect(patience.wait('docker.io', never)).resolves.toBe(undefined);
    expect(waitsMs).toEqual([3000, 3000]);
    vi.setSystemTime(1_005_100);
    await expect(patience.wait('docker.io', Promise.resolve('value'))).resolves.toBe('value');
  });

  test('comes back as soon as the upstream answers somebody', async () => {
    const patience = new Patience();
    await patience.wait('docker.io', never);
    await patience.wait('docker.io', Promise.resolve('it works again'));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(patience.wait('docker.io', Promise.resolve('value'))).resolves.toBe('value');
  });
});
