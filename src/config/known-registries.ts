import { canonicalRegistry } from '../oci/repository.ts';
import { isWithinReach } from './globs.ts';
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

/**
 * Refuses patterns of repositories in full that can match nothing: one that says `mayNot` would protect nothing.
 * Like {@link checkRegistries} it looks at what was written.
 */
export function checkRepositories(config: unknown, known: readonly string[], reader: SectionReader): void {
  const check = (patterns: unknown, path: KeyPath) => {
    for (const [index, pattern] of itemsOf(patterns).entries()) {
      if (typeof pattern !== 'string' || known.some((registry) => isWithinReach(registry, pattern))) continue;
      const first = pattern.split('/')[0] ?? '';
      reader.refuse([...path, index], `matches no repository: names begin with a registry; ${remedy(first, known)}`);
    }
  };
  for (const [index, rule] of itemsOf(fieldOf(fieldOf(config, 'access'), 'policy')).entries()) {
    check(fieldOf(rule, 'in'), ['access', 'policy', index, 'in']);
  }
  for (const [index, webhook] of itemsOf(fieldOf(config, 'webhooks')).entries()) {
    check(fieldOf(webhook, 'repositories'), ['webhooks', index, 'repositories']);
  }
  for (const [index, rule] of itemsOf(fieldOf(config, 'replication')).entries()) {
    check(fieldOf(rule, 'repositories'), ['replication', index, 'repositories']);
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
