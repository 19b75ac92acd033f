import { describe, expect, test } from 'vitest';
import type { Root } from '../../../src/metadata/metadata-index.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { RemovalTally } from '../../../src/registry/operations/removal-tally.ts';

function root(name: string, changes: Partial<Root> = {}): Root {
  return {
    repository: 'docker.io/library/app',
    digest: digestOf(Buffer.from(name)),
    tags: [name],
    isManifest: true,
    usedAtMs: 0,
    sizeBytes: 1000,
    diskBytes: 4096,
    ...changes,
  };
}

const nothing = { blobs: 0, bytes: 0 };

describe('the tally of a removal', () => {
  test('begins with nothing', () => {
    for (const isDryRun of [false, true]) {
      const tally = new RemovalTally(isDryRun);
      expect(tally.isEmpty).toBe(true);
      expect(tally.report()).toEqual({ isDryRun, images: [], imageCount: 0, blobs: 0, freedBytes: 0, pinned: 0 });
    }
  });

  test('adds up images, what was freed and what was passed over', () => {
    const tally = new RemovalTally(false);
    const [one, two] = [root('one'), root('two', { repository: 'ghcr.io/owner/app', tags: [] })];
    tally.add([one], { blobs: 3, bytes: 3000 }, 1);
    tally.add([two], { blobs: 1, bytes: 10 }, 2);
    expect(tally.isEmpty).toBe(false);
    expect(tally.report()).toEqual({
      isDryRun: false,
      images: [
        { repository: 'docker.io/library/app', tags: ['one'], digest: one.digest },
        { repository: 'ghcr.io/owner/app', tags: [], digest: two.digest },
      ],
      imageCount: 2,
      blobs: 4,
      freedBytes: 3010,
      pinned: 3,
    });
  });

  test('counts a blob that belongs to no image among the blobs, but not as an image', () => {
    const tally = new RemovalTally(false);
    tally.add([root('blob', { isManifest: false, tags: [] })], { blobs: 1, bytes: 1000 });
    expect(tally.isEmpty).toBe(false);
    expect(tally.report()).toMatchObject({ images: [], imageCount: 0, blobs: 1, freedBytes: 1000 });
  });

  test('is empty when all were passed over', () => {
    const tally = new RemovalTally(true);
    tally.add([], nothing, 5);
    expect(tally.isEmpty).toBe(true);
    expect(tally.report()).toMatchObject({ imageCount: 0, pinned: 5 });
  });

  test('names a tag that went while its image stays', () => {
    const tally = new RemovalTally(false);
    tally.addTag('docker.io/library/app', 'v1', 'sha256:abc');
    expect(tally.isEmpty).toBe(false);
    expect(tally.report()).toMatchObject({
      images: [{ repository: 'docker.io/library/app', tags: ['v1'], digest: 'sha256:abc' }],
      imageCount: 1,
      freedBytes: 0,
    });
  });

  test('names the first thousand and counts all', () => {
    const tally = new RemovalTally(false);
    const many = Array.from({ length: 1500 }, (_, number) => root(`v${number}`));
    tally.add(many.slice(0, 700), { blobs: 700, bytes: 7 });
    tally.add(many.slice(700), { blobs: 800, bytes: 8 });
    const { images, imageCount, blobs, freedBytes } = tally.report();
    expect(images.map(({ digest }) => digest)).toEqual(many.slice(0, 1000).map(({ digest }) => digest));
    expect([imageCount, blobs, freedBytes]).toEqual([1500, 1500, 15]);
  });
});
