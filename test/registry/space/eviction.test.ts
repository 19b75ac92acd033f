import { describe, expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import type { Root } from '../../../src/metadata/metadata-index.ts';
import { Reservation } from '../../../src/registry/space/reservation.ts';
import { APP, download, IMAGE_DISK_BYTES, LAYER_BYTES, openStock, type Stock, stockDigest } from './stock.ts';

const KIB = 1024;

/** Names `a`, `b`, `c`..., each with a layer of its own, used one second after the other. */
async function addImages(stock: Stock, names: readonly string[], firstUseMs = 0): Promise<void> {
  for (const [number, name] of names.entries()) await stock.addImage(name, { usedAtMs: firstUseMs + number * 1000 });
}

/** Makes room for so many bytes below what is in use now. */
async function free(stock: Stock, bytes: number, registry?: string): Promise<void> {
  const target = (await stock.usedBytes()) - bytes;
  await stock.space.eviction.makeRoom(async () => (await stock.usedBytes()) - target, registry);
}

async function evictTo(stock: Stock, bytes: number): Promise<string[]> {
  const gone: Root[] = [];
  await stock.space.eviction.evictTo(bytes, (roots) => gone.push(...roots));
  return gone.map(({ tags }) => tags.join());
}

/** Breaks off a download, which keeps its pieces. */
async function park({ store, space }: Stock, name: string, atMs: number): Promise<Digest> {
  const digest = stockDigest(name);
  await using ingest = await store.ingest(digest);
  ingest.describe(LAYER_BYTES, 'test');
  await ingest.write([Buffer.alloc(50_000)], 0);
  space.budget.park({ digest, sizeBytes: 50_000, atMs });
  return digest;
}

describe('eviction', () => {
  test('takes whole images, those that were not used for the longest time first', async () => {
    await using stock = await openStock();
    await addImages(stock, ['a', 'b', 'c', 'd']);
    await stock.index.putTag(APP, 'a2', digestOf(Buffer.from('manifest of a')), 0);
    stock.index.noteUse({ repository: APP, digest: stockDigest("b's layer"), atMs: 10_000 });
    await stock.index.flushUses();
    expect((await Array.fromAsync(stock.space.eviction.candidates())).map(({ tags }) => tags.join())).toEqual([
      'a,a2',
      'c',
      'd',
      'b',
    ]);
    await free(stock, LAYER_BYTES);
    expect(await stock.tags()).toEqual(['b', 'c', 'd']);
    const files = await stock.files();
    expect(files.has(stockDigest("a's layer"))).toBe(false);
    expect(files.size).toBe(6);
    await free(stock, LAYER_BYTES + 10_000);
    expect(await stock.tags()).toEqual(['b']);
    expect((await stock.files()).size).toBe(2);
  });

  test('removes no more than it must', async () => {
    await using stock = await openStock();
    await addImages(stock, ['a', 'b', 'c', 'd', 'e', 'f']);
    const before = await stock.usedBytes();
    await free(stock, 2.5 * LAYER_BYTES);
    const freed = before - (await stock.usedBytes());
    expect(freed).toBeGreaterThanOrEqual(2.5 * LAYER_BYTES);
    expect(await stock.tags()).toEqual(['d', 'e', 'f']);
    await free(stock, 0);
    expect(await stock.tags()).toEqual(['d', 'e', 'f']);
  });

  test('keeps layers that other images have, and goes on until there is really enough', async () => {
    await using stock = await openStock();
    const shared = ['base 1', 'base 2', 'base 3'];
    for (const [number, name] of ['a', 'b', 'c', 'd'].entries()) {
      await stock.addImage(name, { layers: [...shared, name], usedAtMs: number });
    }
    await free(stock, 2 * LAYER_BYTES);
    expect(await stock.tags()).toEqual(['c', 'd']);
    const files = await stock.files();
    expect(shared.map((name) => files.has(stockDigest(name)))).toEqual([true, true, true]);
    expect(['a', 'b', 'c'].map((name) => files.has(stockDigest(name)))).toEqual([false, false, true]);
  });

  test('passes pinned images over, however many come first', async () => {
    await using stock = await openStock({ pins: [`${APP}:keep*`] });
    await addImages(
      stock,
      Array.from({ length: 20 }, (_, number) => `keep${number}`),
    );
    await addImages(stock, ['x', 'y'], 100_000);
    await free(stock, LAYER_BYTES);
    const tags = await stock.tags();
    expect([tags.includes('x'), tags.includes('y'), tags.length]).toEqual([false, true, 21]);
    await free(stock, 10 * IMAGE_DISK_BYTES);
    expect(await stock.tags()).toHaveLength(20);
    await expect(stock.space.eviction.unmovableBytes()).resolves.toBe(20 * IMAGE_DISK_BYTES);
  });

  test('follows pins that operators set and take back meanwhile', async () => {
    await using stock = await openStock();
    await addImages(stock, ['a', 'b', 'c']);
    await stock.space.pins.add(`${APP}:a`);
    await free(stock, LAYER_BYTES);
    expect(await stock.tags()).toEqual(['a', 'c']);
    await stock.space.pins.remove(`${APP}:a`);
    await free(stock, LAYER_BYTES);
    expect(await stock.tags()).toEqual(['c']);
  });

  test('keeps what a pinned image shares with one that goes', async () => {
    await using stock = await openStock({ pins: [`${APP}:pinned`] });
    await stock.addImage('pinned', { layers: ['base', 'own'], usedAtMs: 0 });
    await stock.addImage('other', { layers: ['base', 'other'], usedAtMs: 1 });
    expect(await evictTo(stock, 0)).toEqual(['other']);
    expect(await stock.files()).toEqual(
      new Set([stockDigest('base'), stockDigest('own'), digestOf(Buffer.from('manifest of pinned'))]),
    );
  });

  test('keeps what is hosted', async () => {
    await using stock = await openStock({ hosted: ['local'] });
    await stock.addImage('a', { repository: 'local/app' });
    await stock.addImage('b', { repository: 'localhost/app', usedAtMs: 1 });
    expect(await evictTo(stock, 0)).toEqual(['b']);
    expect(await stock.tags()).toEqual(['a']);
  });

  test('keeps images that are being pulled, and takes those that come after them', async () => {
    const downloads = ["busy0's layer", "busy3's layer", 'base'].map((layer) => download('library/busy', layer));
    await using stock = await openStock({ downloads: () => downloads });
    const repository = 'docker.io/library/busy';
    for (let number = 0; number < 12; number += 1) {
      await stock.addImage(`busy${number}`, { repository, usedAtMs: 1000 + number });
    }
    for (const [number, name] of ['v1', 'v2'].entries()) {
      await stock.addImage(name, { repository, layers: ['base', name], usedAtMs: number });
    }
    await stock.addImage('other', { layers: ['base'], usedAtMs: 5000 });
    await evictTo(stock, 0);
    // Of those that have a layer which is coming in, the one that was pulled last is the one that is being pulled.
    expect(await stock.tags()).toEqual(['busy0', 'busy3', 'v2']);
  });

  test('takes blobs that belong to no image too', async () => {
    await using stock = await openStock();
    await stock.addBlob('loose', [APP], 0);
    await stock.addBlob('of nobody', [], 1);
    await stock.addImage('a', { usedAtMs: 2 });
    await free(stock, LAYER_BYTES);
    expect((await stock.files()).has(stockDigest('loose'))).toBe(false);
    await free(stock, LAYER_BYTES);
    expect((await stock.files()).has(stockDigest('of nobody'))).toBe(false);
    expect(await stock.tags()).toEqual(['a']);
  });

  test('in one registry leaves the others alone', async () => {
    await using stock = await openStock();
    await stock.addImage('old', { repository: 'ghcr.io/owner/app', usedAtMs: 0 });
    await stock.addImage('new', { usedAtMs: 1 });
    await free(stock, LAYER_BYTES, 'docker.io');
    expect(await stock.tags()).toEqual(['old']);
  });

  test('gives up broken-off downloads that nobody came back for, before images, and others after them', async () => {
    await using stock = await openStock();
    await stock.addImage('a');
    await park(stock, 'long ago', Date.now() - 24 * 3_600_000);
    const fresh = await park(stock, 'just now', Date.now());
    await free(stock, 10 * KIB);
    expect(stock.space.budget.parked.map(({ digest }) => digest)).toEqual([fresh]);
    expect((await stock.store.interrupted()).map(({ digest }) => digest)).toEqual([fresh]);
    expect(await stock.tags()).toEqual(['a']);
    await free(stock, 10 * KIB);
    expect([await stock.tags(), stock.space.budget.parked.length]).toEqual([[], 1]);
    await free(stock, 10 * KIB);
    expect([stock.space.budget.parked, await stock.store.interrupted()]).toEqual([[], []]);
  });

  test('takes broken-off downloads of the future, before a clock was set back, for old ones', async () => {
    await using stock = await openStock();
    await stock.addImage('a');
    const fresh = await park(stock, 'just now', Date.now());
    await park(stock, 'tomorrow', Date.now() + 24 * 3_600_000);
    await free(stock, 10 * KIB);
    expect([await stock.tags(), stock.space.budget.parked.map(({ digest }) => digest)]).toEqual([['a'], [fresh]]);
    await park(stock, 'in a minute', Date.now() + 60_000);
    await free(stock, 2 ** 40);
    expect([await stock.tags(), stock.space.budget.parked]).toEqual([[], []]);
  });

  test('ends when nothing may go', async () => {
    await using stock = await openStock({ pins: ['**'] });
    await addImages(stock, ['a', 'b']);
    await free(stock, 2 ** 40);
    expect(await evictTo(stock, 0)).toEqual([]);
    expect(await stock.tags()).toEqual(['a', 'b']);
    expect(stock.space.eviction.isRunning).toBe(false);
  });
});

describe('a budget over a store of images', () => {
  test('makes room down to its quota, and the low watermark afterwards', async () => {
    const quotaBytes = 24 * IMAGE_DISK_BYTES;
    const limits = { quotaBytes, minFreeBytes: 0, lowWatermark: 0.6, registryQuotas: new Map<string, number>() };
    await using stock = await openStock({ limits });
    let granted = 0;
    for (let number = 0; number < 30; number += 1) {
      const reservation = await stock.space.budget.reserve('docker.io', IMAGE_DISK_BYTES);
      expect(reservation).toBeInstanceOf(Reservation);
      if (!(reservation instanceof Reservation)) break;
      await stock.addImage(`v${String(number).padStart(2, '0')}`, { usedAtMs: number });
      reservation.release();
      granted += 1;
      expect(await stock.usedBytes()).toBeLessThanOrEqual(quotaBytes);
    }
    expect(granted).toBe(30);
    await expect.poll(() => stock.space.eviction.isRunning).toBe(false);
    const tags = await stock.tags();
    expect(tags.at(-1)).toBe('v29');
    expect(tags).toEqual(tags.slice().sort());
    expect(Number(tags[0]?.slice(1))).toBe(30 - tags.length);
    expect((await stock.files()).size).toBe(2 * tags.length);
  });
});
