import { splitImage } from './globs.ts';
import { imageName, platform } from './images.ts';
import { type KnownWorld, placeOf } from './known-world.ts';
import { schedule } from './schedule.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, itemsOf, list, map } from './structures.ts';

const entrySchema = map({
  images: list(imageName(), { min: 1 }),
  platforms: list(platform()).prefault([]),
  schedule: schedule(),
});

export const warmSchema = list(entrySchema).prefault([]);

/** Refuses images that no upstream could be asked for. Looks at what was written, as its like do. */
export function checkWarm(value: unknown, world: KnownWorld, reader: SectionReader): void {
  if (reader.isRefused(['upstreams'])) return;
  for (const [entry, written] of itemsOf(value).entries()) {
    for (const [index, image] of itemsOf(fieldOf(written, 'images')).entries()) {
      const fault = typeof image === 'string' ? faultOf(image, world) : undefined;
      if (fault !== undefined) reader.refuse(['warm', entry, 'images', index], fault);
    }
  }
}

function faultOf(image: string, world: KnownWorld): string | undefined {
  const { registry, isHosted } = placeOf(splitImage(image).repository, world);
  if (isHosted) return 'is hosted here: there is no upstream that it could be fetched from';
  if (registry !== undefined) return undefined;
  return 'names no registry, and no upstream is the default; begin with one, for example ghcr.io/owner/app';
}
