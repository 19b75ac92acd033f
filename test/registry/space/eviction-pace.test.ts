import { expect, test, vi } from 'vitest';
import { giveWay } from '../../../src/util/give-way.ts';
import { IMAGE_DISK_BYTES, openStock } from './stock.ts';

vi.mock(import('../../../src/util/give-way.ts'), () => ({ giveWay: vi.fn<typeof giveWay>(async () => undefined) }));

test('eviction gives way to clients after each image while nobody waits for room, and not at all when somebody does', async () => {
  await using stock = await openStock();
  for (const [number, name] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    await stock.addImage(name, { usedAtMs: number * 1000 });
  }
  const target = (await stock.usedBytes()) - 3 * IMAGE_DISK_BYTES;
  await stock.space.eviction.makeRoom(async () => (await stock.usedBytes()) - target, undefined);
  expect(await stock.tags()).toEqual(['d', 'e', 'f']);
  expect(giveWay).not.toHaveBeenCalled();
  await stock.space.eviction.evictTo(target - 2 * IMAGE_DISK_BYTES, () => undefined);
  expect(await stock.tags()).toEqual(['f']);
  expect(giveWay).toHaveBeenCalledTimes(2);
});
