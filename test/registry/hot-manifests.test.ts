import { rm, truncate, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Layout } from '../../src/content/disk/layout.ts';
import { HotManifests } from '../../src/registry/hot-manifests.ts';
import { content } from '../content/content-store-conformance.ts';
import { type OpenedDiskStore, openQuickDiskStore } from '../content/support/open-disk-store.ts';

const MIB = 1024 * 1024;
const { bytes, digest } = content(2000, 'hot');

describe('hot manifests', () => {
  let opened: OpenedDiskStore;
  let file: string;
  beforeAll(async () => {
    opened = await openQuickDiskStore();
    file = new Layout(opened.path).blob(digest);
  });
  beforeEach(() => opened.store.put(digest, bytes));
  afterAll(() => opened[Symbol.asyncDispose]());

  test('come from the store, and from then on from memory', async () => {
    const hot = new HotManifests(opened.store, MIB);
    expect(hot.peek(digest)).toBe(undefined);
    expect(Buffer.from((await hot.get(digest, 2000)) ?? []).equals(bytes)).toBe(true);
    expect(hot.peek(digest)).toBeDefined();
    await rm(file);
    expect(Buffer.from((await hot.get(digest, 2000)) ?? []).equals(bytes)).toBe(true);
  });

  const damages: [string, () => Promise<void>][] = [
    ['has one other bit', () => writeFile(file, Buffer.from(bytes).fill((bytes[1000] ?? 0) ^ 1, 1000, 1001))],
    ['is cut off', () => truncate(file, 1999)],
    ['is empty', () => truncate(file, 0)],
    ['is longer', () => truncate(file, 2001)],
    ['is something else', () => writeFile(file, content(2000, 'else').bytes)],
    ['is gone', () => rm(file)],
  ];
  test.each(damages)('are not served from a file that %s', async (_, damage) => {
    const hot = new HotManifests(opened.store, MIB);
    await damage();
    expect(await hot.get(digest, 2000)).toBe(undefined);
    expect(hot.peek(digest)).toBe(undefined);
    await opened.store.put(digest, bytes);
    expect(await hot.get(digest, 2000)).toHaveLength(2000);
  });

  test('are kept as they come, and no more of them than the memory allows', async () => {
    const hot = new HotManifests(opened.store, 10_000);
    const many = Array.from({ length: 8 }, (_, seed) => content(2000, `hot ${seed}`));
    for (const one of many) hot.set(one.digest, one.bytes);
    expect(many.map((one) => hot.peek(one.digest) !== undefined)).toEqual([
      ...Array(3).fill(false),
      ...Array(5).fill(true),
    ]);
  });

  test('are forgotten on demand', async () => {
    const hot = new HotManifests(opened.store, MIB);
    hot.set(digest, bytes);
    hot.forget(digest);
    expect(hot.peek(digest)).toBe(undefined);
  });

  test('are served though no memory is given to them', async () => {
    const hot = new HotManifests(opened.store, 0);
    expect(await hot.get(digest, 2000)).toHaveLength(2000);
    expect(hot.peek(digest)).toBe(undefined);
  });
});
