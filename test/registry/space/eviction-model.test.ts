import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Root } from '../../../src/metadata/metadata-index.ts';
import { download, LAYER_BYTES, openStock, stockDigest } from './stock.ts';

interface ModelImage {
  readonly repository: number;
  readonly layers: number[];
  readonly useMs: number;
}

interface Act {
  readonly kind: 'use' | 'evict' | 'pin' | 'unpin';
  readonly image: number;
  readonly layers: number;
}

const REPOSITORIES = ['docker.io/library/a', 'docker.io/library/b', 'ghcr.io/owner/c'] as const;
const BUSY = 'docker.io/library/b';

const anyImage: fc.Arbitrary<ModelImage> = fc.record({
  repository: fc.nat(2),
  layers: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 }),
  useMs: fc.nat(1_000_000),
});
const anyAct: fc.Arbitrary<Act> = fc.record({
  kind: fc.constantFrom('use', 'evict', 'evict', 'pin', 'unpin'),
  image: fc.nat(9),
  layers: fc.integer({ min: 1, max: 6 }),
});

/** An image as the model has it. */
interface Kept {
  readonly tag: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly content: readonly Digest[];
  usedAtMs: number;
}

describe('eviction, whatever was pulled and pinned,', () => {
  test('takes the oldest that may go, as many as it must, and leaves exactly what the rest needs', async () => {
    const images = fc.array(anyImage, { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(images, fc.array(anyAct, { maxLength: 12 }), async (all, acts) => {
        // A layer is being downloaded in the busy repository: for the image that has it and was pulled last.
        const wanted = 'layer 0';
        await using stock = await openStock({ downloads: () => [download('library/b', wanted)] });
        const pinned = new Set<string>();
        let kept: Kept[] = [];
        const busiest = () =>
          kept
            .filter(({ repository, content }) => repository === BUSY && content.includes(stockDigest(wanted)))
            .sort((one, other) => other.usedAtMs - one.usedAtMs)[0];
        const isBusy = (one: Kept) => one === busiest();
        for (const [number, { repository: place, layers, useMs }] of all.entries()) {
          const repository = REPOSITORIES[place] ?? '';
          const [tag, names] = [`v${number}`, layers.map((layer) => `layer ${layer}`)];
          // No two at the same time: their order would be open.
          const usedAtMs = useMs * 100 + number;
          const digest = await stock.addImage(tag, { repository, layers: names, usedAtMs });
          kept.push({ tag, repository, digest, content: [digest, ...names.map(stockDigest)], usedAtMs });
        }
        let laterMs = 200_000_000;
        for (const { kind, image, layers } of acts) {
          const chosen = kept[image % kept.length];
          if (!chosen) break;
          const pattern = `${chosen.repository}:${chosen.tag}`;
          if (kind === 'pin') {
            await stock.space.pins.add(pattern);
            pinned.add(chosen.tag);
          } else if (kind === 'unpin') {
            await stock.space.pins.remove(pattern);
            pinned.delete(chosen.tag);
          } else if (kind === 'use') {
            chosen.usedAtMs = laterMs += 1;
            stock.index.noteUse({ repository: chosen.repository, digest: chosen.digest, atMs: laterMs });
            await stock.index.flushUses();
          } else {
            const mayGo = kept
              .filter((one) => !pinned.has(one.tag) && !isBusy(one))
              .sort((one, other) => one.usedAtMs - other.usedAtMs);
            const target = (await stock.usedBytes()) - layers * LAYER_BYTES;
            const gone: Root[] = [];
            await stock.space.eviction.evictTo(target, (roots) => gone.push(...roots));
            const names = gone.map(({ tags }) => tags.join());
            expect(names).toEqual(mayGo.slice(0, names.length).map(({ tag }) => tag));
            const isEnough = (await stock.usedBytes()) <= target;
            expect(isEnough || names.length === mayGo.length).toBe(true);
            kept = kept.filter(({ tag }) => !names.includes(tag));
          }
          expect(await stock.tags()).toEqual(kept.map(({ tag }) => tag).sort());
          expect(await stock.files()).toEqual(new Set(kept.flatMap(({ content }) => content)));
        }
      }),
      { numRuns: 25 },
    );
  });
});
