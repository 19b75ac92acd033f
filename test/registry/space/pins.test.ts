import { afterEach, describe, expect, test, vi } from 'vitest';
import { Pins } from '../../../src/registry/space/pins.ts';
import { PinnedContent } from '../../../src/registry/space/pinned-content.ts';
import { APP, IMAGE_DISK_BYTES, openStock, stockDigest } from './stock.ts';

const digest = stockDigest('some image');

afterEach(() => void vi.useRealTimers());

function image(tag: string, repository = APP) {
  return { repository, tags: [tag], digest };
}

describe('pins', () => {
  test('of the configuration hold from the beginning', async () => {
    await using stock = await openStock();
    const pins = new Pins(stock.index, [`${APP}:v*`, 'ghcr.io/**']);
    expect([pins.has(image('v1')), pins.has(image('w1')), pins.has(image('x', 'ghcr.io/owner/app'))]).toEqual([
      true,
      false,
      true,
    ]);
    expect(pins.isEmpty).toBe(false);
    expect(await pins.list()).toEqual([
      { pattern: `${APP}:v*`, origin: 'config', atMs: undefined },
      { pattern: 'ghcr.io/**', origin: 'config', atMs: undefined },
    ]);
  });

  test('of operators are added, listed and taken back', async () => {
    await using stock = await openStock();
    const pins = new Pins(stock.index, [`${APP}:v*`]);
    await pins.load();
    const before = pins.revision;
    const startedAtMs = Date.now();
    await pins.add(`${APP}:stable`);
    expect(pins.has(image('stable'))).toBe(true);
    expect(pins.revision).not.toBe(before);
    const listed = await pins.list();
    expect(listed).toMatchObject([{ origin: 'config' }, { pattern: `${APP}:stable`, origin: 'operator' }]);
    expect(listed[1]?.atMs).toBeGreaterThanOrEqual(startedAtMs);
    const added = pins.revision;
    expect(await pins.remove(`${APP}:stable`)).toBe(true);
    expect([pins.has(image('stable')), pins.has(image('v1'))]).toEqual([false, true]);
    expect(pins.revision).not.toBe(added);
  });

  test('of the configuration cannot be taken back', async () => {
    await using stock = await openStock();
    const pins = new Pins(stock.index, [`${APP}:v*`]);
    expect(await pins.remove(`${APP}:v*`)).toBe(false);
    expect(pins.has(image('v1'))).toBe(true);
  });

  test('of operators hold after a restart, once they are loaded', async () => {
    await using stock = await openStock();
    await new Pins(stock.index, []).add(`${APP}@sha256:*`);
    const pins = new Pins(stock.index, []);
    expect(pins.isEmpty).toBe(true);
    await pins.load();
    expect([pins.isEmpty, pins.has(image('any'))]).toEqual([false, true]);
  });

  test('that change let eviction look again at what it had passed over', async () => {
    await using stock = await openStock();
    const manifest = await stock.addImage('a');
    await stock.index.setAside([{ repository: APP, digest: manifest }]);
    expect(await stock.index.oldestRoots({ limit: 10 })).toEqual([]);
    await stock.space.pins.add('ghcr.io/**');
    expect(await stock.index.oldestRoots({ limit: 10 })).toHaveLength(1);
  });
});

describe('pinned content', () => {
  test('is counted as the disk counts it, each digest once', async () => {
    await using stock = await openStock({ pins: [`${APP}:keep*`] });
    const { index, space } = stock;
    await stock.addImage('keep1', { layers: ['base', 'one'] });
    await stock.addImage('keep2', { layers: ['base', 'two'] });
    await stock.addImage('other', { layers: ['base', 'three'] });
    expect(await new PinnedContent(index, space.pins).bytes()).toBe(3 * 25 * 4096 + 2 * 4096);
  });

  test('is all that is stored when everything is pinned, beyond one page of the index', async () => {
    await using stock = await openStock({ pins: ['**'] });
    for (let number = 0; number < 230; number += 1)
      await stock.addImage(`v${number}`, { layers: [`layer ${number % 5}`] });
    const { diskBytes } = await stock.index.usage();
    expect(await new PinnedContent(stock.index, stock.space.pins).bytes()).toBe(diskBytes);
  });

  test('is not counted where it is hosted, since that stays without pins, but all that is hosted is unmovable', async () => {
    await using stock = await openStock({ pins: ['**'], hosted: ['local'] });
    await stock.addImage('a');
    await stock.addImage('b', { repository: 'local/app' });
    await stock.addBlob('loose', ['local/app']);
    const { eviction } = stock.space;
    expect(await eviction.pinnedBytes(10_000)).toBe(IMAGE_DISK_BYTES);
    expect(await eviction.unmovableBytes()).toBe(2 * IMAGE_DISK_BYTES + 25 * 4096);
  });

  test('is nothing without pins, and nobody is asked', async () => {
    await using stock = await openStock();
    const refuse = () => Promise.reject(new Error('asked'));
    const content = new PinnedContent({ listRoots: refuse, contentOf: refuse }, stock.space.pins);
    expect(await content.bytes()).toBe(0);
  });

  test('is counted anew when pins change, and after a minute', async () => {
    await using stock = await openStock({ pins: [`${APP}:a`] });
    const { pins } = stock.space;
    vi.useFakeTimers({ toFake: ['Date'] });
    await stock.addImage('a');
    await stock.addImage('b');
    const content = new PinnedContent(stock.index, pins);
    expect(await content.bytes()).toBe(IMAGE_DISK_BYTES);
    await pins.add(`${APP}:b`);
    expect(await content.bytes()).toBe(2 * IMAGE_DISK_BYTES);
    await stock.addImage('c', { tags: ['a'] });
    expect(await content.bytes()).toBe(2 * IMAGE_DISK_BYTES);
    await stock.addImage('d', { repository: 'ghcr.io/x/y' });
    await stock.addImage('e', { tags: ['b', 'e'] });
    vi.advanceTimersByTime(60_001);
    expect(await content.bytes()).toBe(2 * IMAGE_DISK_BYTES);
  });

  test('is tried again after the index failed', async () => {
    await using stock = await openStock({ pins: ['**'] });
    await stock.addImage('a');
    let fails = true;
    const content = new PinnedContent(
      {
        listRoots: (query) => (fails ? Promise.reject(new Error('busy')) : stock.index.listRoots(query)),
        contentOf: (root) => stock.index.contentOf(root),
      },
      stock.space.pins,
    );
    await expect(content.bytes()).rejects.toThrow('busy');
    fails = false;
    expect(await content.bytes()).toBe(IMAGE_DISK_BYTES);
  });
});
