import { expect, test } from 'vitest';
import type { MetadataIndex, Root } from '../../../src/metadata/metadata-index.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { RemovalProgress } from '../../../src/registry/operations/operations.ts';
import { Purging } from '../../../src/registry/operations/purging.ts';
import type { Pins } from '../../../src/registry/space/pins.ts';
import type { Removal } from '../../../src/registry/space/removal.ts';
import { makeUpstreams } from './make-upstreams.ts';

const ROOTS: readonly Root[] = Array.from({ length: 40 }, (_, number) => ({
  repository: `docker.io/library/app${Math.floor(number / 20)}`,
  digest: digestOf(Buffer.from(String(number))),
  tags: [`v${number}`],
  isManifest: true,
  usedAtMs: number,
  sizeBytes: 100,
  diskBytes: 4096,
}));

/** A purge of an index that holds just the roots above. */
function openPurging(): { purging: Purging; left: () => number } {
  let roots = [...ROOTS];
  const index = {
    listRoots: async ({ repository, limit, after }) => {
      const from = after === undefined ? 0 : ROOTS.findIndex(({ digest }) => digest === after.digest) + 1;
      const isWanted = (root: Root) => repository === undefined || root.repository === repository;
      return ROOTS.slice(from)
        .filter((root) => roots.includes(root) && isWanted(root))
        .slice(0, limit);
    },
    summarize: async ({ prefix = '', limit }) =>
      ['docker.io/library/app0', 'docker.io/library/app1']
        .filter((repository) => repository.startsWith(prefix))
        .map((repository) => ({ repository, tags: 20, roots: 20, sizeBytes: 2000, usedAtMs: 0 }))
        .slice(0, limit),
  } satisfies Partial<MetadataIndex>;
  const drop = async (gone: readonly Pick<Root, 'digest'>[]) => {
    roots = roots.filter(({ digest }) => !gone.some((each) => each.digest === digest));
    return { blobs: gone.length, bytes: 100 * gone.length };
  };
  const purging = new Purging({
    index: index as Partial<MetadataIndex> as MetadataIndex,
    upstreams: makeUpstreams(['docker.io'], 'docker.io'),
    removal: { drop } as Partial<Removal> as Removal,
    pins: { has: () => false } as Partial<Pins> as Pins,
  });
  return { purging, left: () => roots.length };
}

test.each([
  ['an upstream', { upstream: 'docker.io' }, 40],
  ['a repository', { repository: 'app0' }, 20],
])('a purge of %s says how far it is', async (_, target, count) => {
  const { purging, left } = openPurging();
  const told: RemovalProgress[] = [];
  const work = { signal: new AbortController().signal, onProgress: (now: RemovalProgress) => told.push(now) };
  expect(await purging.purge(target, { dryRun: false }, work)).toMatchObject({ imageCount: count });
  expect(told[0]).toEqual({ imageCount: 8, freedBytes: 800, share: 8 / count });
  expect(told.at(-1)).toEqual({ imageCount: count, freedBytes: 100 * count, share: 1 });
  expect(left()).toBe(ROOTS.length - count);
});

test('a purge that is ended early leaves what it did not come to', async () => {
  const { purging, left } = openPurging();
  const ending = new AbortController();
  const onProgress = ({ imageCount }: RemovalProgress) => {
    if (imageCount >= 16) ending.abort();
  };
  const purged = purging.purge({ upstream: 'docker.io' }, { dryRun: false }, { signal: ending.signal, onProgress });
  await expect(purged).rejects.toMatchObject({ name: 'AbortError' });
  expect(left()).toBe(ROOTS.length - 16);
});
