import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { Removal } from '../../../src/registry/space/removal.ts';
import { APP, LAYER_BYTES, openStock, type Stock, stockDigest } from './stock.ts';

function root(name: string, repository = APP) {
  return { repository, digest: digestOf(Buffer.from(`manifest of ${name}`)), tags: [name], isManifest: true };
}

function loose(n: number) {
  return { digest: digestOf(Buffer.from(`loose ${n}`)), sizeBytes: 10 };
}

async function isStored(stock: Stock, name: string): Promise<[isFile: boolean, isRow: boolean]> {
  const digest = stockDigest(name);
  return [(await stock.files()).has(digest), (await stock.index.findBlob(APP, digest)).isStored];
}

describe('a removal', () => {
  test('takes rows and files of what only these images need', async () => {
    await using stock = await openStock();
    await stock.addImage('a', { layers: ['base', 'own a'] });
    await stock.addImage('b', { layers: ['base', 'own b'] });
    const freed = await stock.space.removal.drop([root('a')], 'purged');
    expect(freed).toEqual({ blobs: 2, bytes: LAYER_BYTES + 'manifest of a'.length });
    expect(await isStored(stock, 'own a')).toEqual([false, false]);
    expect(await isStored(stock, 'base')).toEqual([true, true]);
    expect(await stock.index.findTag(APP, 'a')).toBe(undefined);
    expect(await stock.index.listDoomed(10)).toEqual([]);
    expect((await stock.space.removal.drop([root('b')], 'purged')).blobs).toBe(3);
    expect(await stock.files()).toEqual(new Set());
  });

  test('leaves what another repository has', async () => {
    await using stock = await openStock();
    await stock.addImage('a', { layers: ['base'] });
    await stock.addImage('b', { repository: 'ghcr.io/owner/app', layers: ['base'] });
    expect((await stock.space.removal.drop([root('a')], 'evicted')).blobs).toBe(1);
    expect((await stock.files()).has(stockDigest('base'))).toBe(true);
    expect((await stock.index.findBlob('ghcr.io/owner/app', stockDigest('base'))).belongs).toBe(true);
  });

  test('of what is not there removes nothing', async () => {
    await using stock = await openStock();
    await stock.addImage('a');
    expect(await stock.space.removal.drop([root('unknown'), root('a', 'docker.io/library/other')], 'purged')).toEqual({
      blobs: 0,
      bytes: 0,
    });
    expect(await stock.space.removal.drop([], 'purged')).toEqual({ blobs: 0, bytes: 0 });
    expect(await stock.tags()).toEqual(['a']);
  });

  test('is counted by its cause', async () => {
    await using stock = await openStock();
    for (const name of ['a', 'b', 'c']) await stock.addImage(name);
    await stock.space.removal.drop([root('a'), root('b')], 'evicted');
    await stock.space.removal.drop([root('c')], 'garbage');
    const metrics = await stock.telemetry.metrics.registry.metrics();
    expect(metrics).toMatch(/entrepot_removed_images_total\{.*cause="evicted".*\} 2/);
    expect(metrics).not.toMatch(/entrepot_removed_images_total\{.*cause="garbage"/);
    expect(metrics).toMatch(new RegExp(`entrepot_removed_bytes_total\\{.*cause="garbage".*\\} ${LAYER_BYTES + 13}`));
  });

  test('that a crash broke off is brought to its end', async () => {
    await using stock = await openStock();
    for (const name of ['a', 'b', 'c']) await stock.addImage(name);
    await stock.index.dropRoots([root('a'), root('b')]);
    expect((await stock.files()).size).toBe(6);
    const freed = await stock.space.removal.settleAll();
    expect(freed).toEqual({ blobs: 4, bytes: 2 * (LAYER_BYTES + 13) });
    expect(await stock.files()).toEqual(new Set([stockDigest("c's layer"), root('c').digest]));
    expect(await stock.index.listDoomed(10)).toEqual([]);
    expect(await stock.space.removal.settleAll()).toEqual({ blobs: 0, bytes: 0 });
  });

  test('that a crash broke off after the file was gone is brought to its end', async () => {
    await using stock = await openStock();
    await stock.addImage('a');
    await stock.index.dropRoots([root('a')]);
    await stock.store.remove(stockDigest("a's layer"));
    await stock.space.removal.settleAll();
    expect([await stock.files(), await stock.index.listDoomed(10)]).toEqual([new Set(), []]);
  });

  test('leaves what was stored anew before its turn came', async () => {
    await using stock = await openStock();
    const digest = stockDigest('again');
    await stock.addImage('a', { layers: ['again', 'other'] });
    const stored = Promise.withResolvers<void>();
    // A download is storing it at this moment: bytes first, then the row.
    const storing = stock.locks.run(digest, async () => {
      await stored.promise;
      await stock.addBlob('again');
    });
    const dropping = stock.space.removal.drop([root('a')], 'evicted');
    await expect.poll(() => stock.index.isDoomed(digest)).toBe(true);
    stored.resolve();
    await storing;
    expect((await dropping).blobs).toBe(2);
    expect(await isStored(stock, 'again')).toEqual([true, true]);
    expect(await isStored(stock, 'other')).toEqual([false, false]);
    expect(await stock.index.listDoomed(10)).toEqual([]);
  });

  test('that was doomed in an earlier run leaves what was stored anew since', async () => {
    await using stock = await openStock();
    await stock.addImage('a', { layers: ['again'] });
    await stock.index.dropRoots([root('a')]);
    await stock.addBlob('again');
    expect((await stock.space.removal.settleAll()).blobs).toBe(1);
    expect(await isStored(stock, 'again')).toEqual([true, true]);
  });

  test('and storing the same digest take turns, so that row and file agree whoever comes first', async () => {
    await using stock = await openStock();
    for (let round = 0; round < 10; round += 1) {
      await stock.addImage('a', { layers: ['again'] });
      await Promise.all([
        stock.space.removal.drop([root('a')], 'evicted'),
        stock.locks.run(stockDigest('again'), () => stock.addBlob('again')),
      ]);
      const [isFile, isRow] = await isStored(stock, 'again');
      expect(isFile).toBe(isRow);
      await stock.space.removal.drop([{ ...root('a'), digest: stockDigest('again'), isManifest: false }], 'garbage');
    }
    expect(await stock.files()).toEqual(new Set());
  });

  test('whose file the disk refuses to give up keeps no other from coming to its end', async () => {
    await using stock = await openStock();
    for (const name of ['a', 'b']) await stock.addImage(name);
    await stock.index.dropRoots([root('a'), root('b')]);
    const stuck = stockDigest("a's layer");
    const refusing = new Removal({
      ...stock,
      store: {
        remove: async (digest) => {
          if (digest === stuck) throw new Error('the disk refuses');
          await stock.store.remove(digest);
        },
      },
    });
    expect((await refusing.settleAll()).blobs).toBe(3);
    expect([...(await stock.files())]).toEqual([stuck]);
    expect(await stock.index.listDoomed(10)).toEqual([{ digest: stuck, sizeBytes: LAYER_BYTES }]);
    expect((await stock.space.removal.settleAll()).blobs).toBe(1);
  });

  test('gives up when the disk refuses everything', async () => {
    await using stock = await openStock();
    for (let n = 0; n < 600; n += 1) await stock.index.putBlob({ ...loose(n), repositories: [APP], atMs: 1 });
    await stock.index.dropRoots(Array.from({ length: 600 }, (_, n) => ({ repository: APP, ...loose(n) })));
    const refusing = new Removal({ ...stock, store: { remove: async () => Promise.reject(new Error('refused')) } });
    expect(await refusing.settleAll()).toEqual({ blobs: 0, bytes: 0 });
    expect(await stock.index.listDoomed(1000)).toHaveLength(600);
  });

  test('whose file the disk refuses to give up is tried again', async () => {
    await using stock = await openStock();
    await stock.addImage('a');
    const refusing = new Removal({
      ...stock,
      store: { remove: async () => Promise.reject(new Error('the disk refuses')) },
    });
    await expect(refusing.drop([root('a')], 'evicted')).rejects.toThrow('the disk refuses');
    expect(await stock.tags()).toEqual([]);
    expect((await stock.space.removal.settleAll()).blobs).toBe(2);
    expect(await stock.files()).toEqual(new Set());
  });
});
