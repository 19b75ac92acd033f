import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { administer, evict, imagesOf, Refused, settle, statusOf } from './support/operator.ts';
import { contentOf, type NamedImage, publish, publishSized, pull } from './support/pull.ts';
import { setStage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const MIB = 1024 * 1024;

interface PinnedStage extends AsyncDisposable {
  readonly origin: Origin;
  readonly mirror: TestMirror;
  readonly images: Readonly<Record<'old' | 'other' | 'deep' | 'untagged', NamedImage>>;
}

/** Pulls one image of each kind; their pins are made before the mirror starts. */
async function setPinnedStage(pinsOf: (images: PinnedStage['images']) => string[]): Promise<PinnedStage> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin());
  const images = {
    old: publishSized(origin, 'library/old', 'v1', 1000),
    other: publishSized(origin, 'library/other', '12-slim', 1000),
    deep: publishSized(origin, 'team/deep/down/app', 'v1', 1000),
    untagged: publishSized(origin, 'library/untagged', undefined, 1000),
  };
  const config = { pins: pinsOf(images), pull: { readAhead: false } };
  const mirror = opened.use(await startMirror(origin, { config }));
  for (const image of Object.values(images)) await pull(mirror, image);
  await settle(mirror);
  const cleanup = opened.move();
  return { origin, mirror, images, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

function pin(mirror: TestMirror, pattern: string): Promise<void> {
  return administer(mirror, 'POST', '/pins', { pattern });
}

function unpin(mirror: TestMirror, pattern: string): Promise<void> {
  return administer(mirror, 'DELETE', '/pins', { pattern });
}

describe('a pin', () => {
  test.each<[string, (images: PinnedStage['images']) => string[], (keyof PinnedStage['images'])[]]>([
    ['a glob of tags', () => ['docker.io/library/other:12*'], ['other']],
    ['a glob of repositories and tags', () => ['docker.io/library/*:v*'], ['old']],
    ['a name without its registry', () => ['library/old:v1'], ['old']],
    ['a digest', ({ untagged }) => [`docker.io/${untagged.name}@${untagged.digest}`], ['untagged']],
    ['the digest of what has a tag too', ({ old }) => [`docker.io/${old.name}@${old.digest}`], ['old']],
    ['all below a folder', () => ['docker.io/team/**:*'], ['deep']],
    ['all tags of a registry', () => ['docker.io/**:*'], ['old', 'other', 'deep']],
    ['several', ({ untagged }) => ['docker.io/library/old:*', `**@${untagged.digest}`], ['old', 'untagged']],
  ])('of %s holds what it matches, and nothing else', async (_, pinsOf, kept) => {
    await using stage = await setPinnedStage(pinsOf);
    const { origin, mirror, images } = stage;
    const report = await evict(mirror, 0);
    expect(report.imageCount).toBe(4 - kept.length);
    expect(report.pinned).toBe(kept.length);
    const held = kept.map((name) => images[name]);
    expect(await storedDigests(mirror)).toEqual(contentOf(...held));
    await origin.stop();
    for (const image of held) await pull(mirror, image);
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
    await using stage = await setPinnedStage(() => []);
    const { mirror, images } = stage;
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
    const large = publishSized(origin, 'library/large', 'v1', 1.8 * MIB);
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
