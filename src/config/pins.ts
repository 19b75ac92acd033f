import { canonicalRegistry } from '../oci/repository.ts';
import { canonicalGlob, imageGlob, splitImage } from './globs.ts';
import { type KnownWorld, placeOf } from './known-world.ts';
import type { SectionReader } from './section-reader.ts';
import { list } from './structures.ts';

const pinsSchema = list(imageGlob()).prefault([]);

/**
 * Patterns of images by the names that these have inside. As in pulls, what names no registry is at the default upstream:
 * otherwise `debian:*` would hold nothing, and nobody would be told.
 */
export function resolvePins(value: unknown, world: KnownWorld, reader: SectionReader): readonly string[] {
  const pins = reader.read(pinsSchema, value, ['pins']) ?? [];
  // Upstreams with a mistake in them are not in this world: names that lead there are none.
  if (reader.isRefused(['upstreams'])) return pins;
  return pins.map((pin, index) => {
    const fault = faultOf(pin, world);
    if (fault !== undefined) reader.refuse(['pins', index], fault);
    return inFull(pin, world);
  });
}

function faultOf(pin: string, world: KnownWorld): string | undefined {
  const { repository } = splitImage(pin);
  const registry = canonicalRegistry(repository);
  if (world.upstreams.some(({ name }) => name === registry))
    return `is a registry; write "${registry}/**" for all of it`;
  if (isOfAnyRegistry(repository) || placeOf(repository, world).registry !== undefined) return undefined;
  return 'names no registry, and no upstream is the default; begin with one, for example ghcr.io/owner/app';
}

function inFull(pin: string, world: KnownWorld): string {
  const { repository } = splitImage(pin);
  const { registry, isNamed } = placeOf(repository, world);
  if (registry === undefined || isNamed || isOfAnyRegistry(repository)) return pin;
  return `${registry}/${canonicalGlob(registry, repository)}${pin.slice(repository.length)}`;
}

/** `**`, `*.example.com/**`: its first part is a pattern of registries. */
function isOfAnyRegistry(repository: string): boolean {
  const [first = '', ...others] = repository.split('/');
  return first === '**' || (others.length > 0 && first.includes('*'));
}
