import { canonicalRegistry } from '../oci/repository.ts';
import type { KeyPath } from './key-path.ts';
import { nearest } from './nearest.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, itemsOf } from './structures.ts';

/**
 * Refuses pins and images to warm of a registry that is not here. Looks at what was written: a mistake elsewhere in
 * these sections hides none of this.
 * @param known upstreams and hosted namespaces
 */
export function checkRegistries(config: unknown, known: readonly string[], reader: SectionReader): void {
  const check = (names: unknown, path: KeyPath) => {
    for (const [index, name] of itemsOf(names).entries()) {
      const registry = typeof name === 'string' ? registryOf(name) : undefined;
      if (registry === undefined || known.includes(registry)) continue;
      reader.refuse([...path, index], `begins with a registry that is no upstream; ${remedy(registry, known)}`);
    }
  };
  check(fieldOf(config, 'pins'), ['pins']);
  for (const [index, entry] of itemsOf(fieldOf(config, 'warm')).entries()) {
    check(fieldOf(entry, 'images'), ['warm', index, 'images']);
  }
}

/** Only where nothing else can be meant: `library/debian` has none, and neither has a pattern of registries. */
function registryOf(name: string): string | undefined {
  const first = name.slice(0, Math.max(0, name.indexOf('/')));
  return /[.:]/.test(first) && !first.includes('*') ? canonicalRegistry(first) : undefined;
}

function remedy(registry: string, known: readonly string[]): string {
  const suggestion = nearest(registry, known);
  if (suggestion !== undefined) return `did you mean ${suggestion}?`;
  return known.length === 0 ? 'name it under upstreams first' : `known here: ${known.join(', ')}`;
}
