import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WriteBehind } from '../../src/registry/fill/write-behind.ts';

const MIB = 1024 * 1024;

async function turns(count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) await turn();
}

describe('writing behind', () => {
  test('brings every byte to its place, in order and one write at a time, however slow the writes are', async () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.nat(1000), fc.array(fc.nat(4), { minLength: 1 }), async (sizes, start, pauses) => {
        let writes = 0;
        let running = 0;
        let position = start;
        const written: Uint8Array[] = [];
        const writer = new WriteBehind(start, async (chunks, positionBytes) => {
          expect(positionBytes).toBe(position);
          expect(++running).toBe(1);
          await turns(pauses[writes++ % pauses.length] ?? 0);
          running -= 1;
          written.push(...chunks);
          position += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        });
        const pushed = sizes.map((size, number) => Buffer.alloc(size, number));
        for (const [number, chunk] of pushed.entries()) {
          await writer.push(chunk);
          if (number % 3 === 0) await turns(1);
        }
        await writer.flush();
        expect(Buffer.concat(written).equals(Buffer.concat(pushed))).toBe(true);
        expect(position).toBe(start + sizes.reduce((sum, size) => sum + size, 0));
      }),
      { numRuns: 60 },
    );
  });

  test('gathers what comes while a write is under way', async () => {
    const sizes: number[] = [];
    const first = Promise.withResolvers<void>();
    const writer = new WriteBehind(0, async (chunks) => {
      sizes.push(chunks.length);
      if (sizes.length === 1) await first.promise;
    });
    for (let number = 0; number < 10; number += 1) await writer.push(Buffer.alloc(1000));
    first.resolve();
    await writer.flush();
    expect(sizes).toEqual([1, 9]);
  });

  test('holds the pusher back while one MiB is gathered', async () => {
    const release = Promise.withResolvers<void>();
    const writer = new WriteBehind(0, () => release.promise);
    let pushes = 0;
    const pushing = (async () => {
      for (; pushes < 40; pushes += 1) await writer.push(Buffer.alloc(MIB / 4));
    })();
    await turns(20);
    expect(pushes).toBeLessThanOrEqual(5);
    release.resolve();
    await pushing;
    await writer.flush();
    expect(pushes).toBe(40);
  });

  test('throws what a write threw, from the next push and from the flush, and writes no more', async () => {
    const full = new Error('the disk is full');
    let writes = 0;
    const writer = new WriteBehind(0, async () => {
      writes += 1;
      await turn();
      throw full;
    });
    await writer.push(Buffer.alloc(10));
    await writer.push(Buffer.alloc(10));
    await turns(5);
    await expect(writer.push(Buffer.alloc(10))).rejects.toBe(full);
    await expect(writer.flush()).rejects.toBe(full);
    expect(writes).toBe(1);
  });

  test('lets go of a pusher that it held back when the write fails', async () => {
    const release = Promise.withResolvers<void>();
    const writer = new WriteBehind(0, async () => {
      await release.promise;
      throw new Error('the disk is full');
    });
    const pushing = (async () => {
      for (let number = 0; number < 20; number += 1) await writer.push(Buffer.alloc(MIB / 4));
    })();
    pushing.catch(() => undefined);
    await turns(10);
    release.resolve();
    await expect(pushing).rejects.toThrow('the disk is full');
  });

  test('has nothing to wait for when nothing was pushed', async () => {
    await expect(new WriteBehind(0, () => Promise.reject(new Error('x'))).flush()).resolves.toBe(undefined);
  });
});
