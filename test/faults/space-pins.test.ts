import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';
import { administer, evict, imagesOf, Refused, settle, statusOf } from './support/operator.ts';
import { contentOf, NOWHERE, publish, publishSized, pull } from './support/pull.ts';
import { setStage, type Stage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const MIB = 1024 * 1024;

const images = {
  old: publishSized(NOWHERE, 'library/old', 'v1', 1000),
  other: publishSized(NOWHERE, 'library/other', '12-slim', 1000),
  deep: publishSized(NOWHERE, 'team/deep/down/app', 'v1', 1000),
  untagged: publishSized(NOWHERE, 'library/untagged', undefined, 1000),
};

/** Pulls one image of each kind. */
async function setPinnedStage(pins: string[] = []): Promise<Stage> {
  const stage = await setStage({ config: { pins, pull: { readAhead: false } } });
  const { origin, mirror } = stage;
  publishSized(origin, 'library/old', 'v1', 1000);
  publishSized(origin, 'library/other', '12-slim', 1000);
  publishSized(origin, 'team/deep/down/app', 'v1', 1000);
  publishSized(origin, 'library/untagged', undefined, 1000);
  for (const image of Object.values(images)) await pull(mirror, image);
  await settle(mirror);
  return stage;
}

function pin(mirror: TestMirror, pattern: string): Promise<void> {
  return administer(mirror, 'POST', '/pins', { pattern });
}

function unpin(mirror: TestMirror, pattern: string): Promise<void> {
  return administer(mirror, 'DELETE', '/pins', { pattern });
}

describe('a pin', () => {
  let shared: Stage;
  beforeAll(async () => {
    shared = await setPinnedStage();
  });
  afterAll(() => shared[Symbol.asyncDispose]());

  test.each<[string, string, (keyof typeof images)[]]>([
    ['a glob of tags', 'docker.io/library/other:12*', ['other']],
    ['a glob of repositories and tags', 'docker.io/library/*:v*', ['old']],
    ['a name without its registry', 'library/old:v1', ['old']],
    ['a digest', `docker.io/${images.untagged.name}@${images.untagged.digest}`, ['untagged']],
    ['the digest of what has a tag too', `docker.io/${images.old.name}@${images.old.digest}`, ['old']],
    ['a digest anywhere', `**@${images.untagged.digest}`, ['untagged']],
    ['all tags below a folder', 'docker.io/team/**:*', ['deep']],
    ['all tags of a registry', 'docker.io/**:*', ['old', 'other', 'deep']],
    ['all tags of a folder, not of those below', 'docker.io/team/*:*', []],
    ['another tag', 'docker.io/library/old:v2', []],
  ])('of %s holds what it matches, and nothing else', async (_, pattern, kept) => {
    const { mirror } = shared;
    await pin(mirror, pattern);
    const report = await evict(mirror, 0, true);
    await unpin(mirror, pattern);
    const gone = new Set(report.images.map(({ digest }) => digest));
    const held = Object.entries(images).filter(([, { digest }]) => !gone.has(digest));
    expect(held.map(([name]) => name)).toEqual(kept);
  });

  test('of the configuration holds', async () => {
    const { untagged, old } = images;
    const pins = ['docker.io/library/old:*', `docker.io/${untagged.name}@${untagged.digest}`];
    await using stage = await setPinnedStage(pins);
    const { origin, mirror } = stage;
    expect((await evict(mirror, 0)).imageCount).toBe(2);
    expect(await storedDigests(mirror)).toEqual(contentOf(old, untagged));
    await origin.stop();
    for (const image of [old, untagged]) await pull(mirror, image);
  });

  test('is counted where it kept an image from going', async () => {
    await using stage = await setPinnedStage(['docker.io/library/old:v1']);
    expect(await evict(stage.mirror, 0, true)).toMatchObject({ imageCount: 3, pinned: 1 });
    expect(await evict(stage.mirror, 0)).toMatchObject({ imageCount: 3, pinned: 1 });
  });

  test('keeps layers that it shares with what goes', async () => {
    await using origin = await startOrigin();
    await using mirror = await startMirror(origin, { config: { pins: ['docker.io/library/kept:v1'] } });
    const base = seededBytes(10_000, 'base');
    const kept = publish(origin, 'library/kept', 'v1', [base, seededBytes(1000, 'kept')]);
    const gone = publish(origin, 'library/gone', 'v1', [base, seededBytes(1000, 'gone')]);
    for (const image of [kept, gone]) await pull(mirror, image);
    await settle(mirror);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(contentOf(kept));
  });

  test('set by an operator holds at once and after a restart, until it is taken back', async () => {
    await using stage = await setPinnedStage();
    const { mirror } = stage;
    await pin(mirror, 'docker.io/library/old:v1');
    expect((await imagesOf(mirror, 'docker.io/library/old'))[0]?.isPinned).toBe(true);
    expect((await statusOf(mirror)).disk.pinnedBytes).toBeGreaterThan(0);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(contentOf(images.old));
    await mirror.restart();
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(contentOf(images.old));
    await unpin(mirror, 'docker.io/library/old:v1');
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual([]);
    await expect(unpin(mirror, 'docker.io/library/old:v1')).rejects.toThrow(Refused);
  });

  test('follows its tag when that moves', async () => {
    await using stage = await setStage({ config: { pins: ['docker.io/library/app:v1'] } });
    const { origin, mirror } = stage;
    const old = publish(origin, 'library/app', 'v1', [seededBytes(1000, 'old')]);
    await pull(mirror, old);
    await settle(mirror);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(contentOf(old));
    const moved = publish(origin, 'library/app', 'v1', [seededBytes(1000, 'new')]);
    await pull(mirror, moved);
    await settle(mirror);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(contentOf(moved));
  });

  test('on all there is makes others stream through; unpinned, it makes room for them', async () => {
    const storage = { path: './data', minFree: 0, quota: 4 * MIB };
    await using stage = await setStage({ config: { storage, pins: ['docker.io/library/app:v1'] } });
    const { origin, mirror } = stage;
    const pinned = publishSized(origin, 'library/app', 'v1', 1.3 * MIB);
    const too = publishSized(origin, 'library/too', 'v1', 1.3 * MIB);
    await pin(mirror, '**/too:*');
    for (const image of [pinned, too]) await pull(mirror, image);
    await settle(mirror);
    const large = publishSized(origin, 'library/large', 'v1', 1.5 * MIB);
    const small = publishSized(origin, 'library/small', 'v1', 10_000);
    expect((await pull(mirror, large)).at(-1)).toBe('entrepot; fwd=bypass');
    expect((await pull(mirror, small)).at(-1), 'what fits is kept').toBe('entrepot; fwd=miss; stored');
    expect(await storedDigests(mirror)).toEqual(expect.arrayContaining(contentOf(pinned, too)));
    await unpin(mirror, '**/too:*');
    expect((await pull(mirror, large)).at(-1)).toBe('entrepot; fwd=miss; stored');
    await settle(mirror);
    const stored = await storedDigests(mirror);
    expect(stored).toEqual(expect.arrayContaining(contentOf(pinned, large)));
    expect(stored).not.toContain(too.layers[0]);
  });
});
