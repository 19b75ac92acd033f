import type { KeyPath } from './key-path.ts';
import { parseRegistryName } from './registry-name.ts';
import type { SectionReader } from './section-reader.ts';

export const UPSTREAMS: KeyPath = ['upstreams'];
export const DOCKER_HUB = 'docker.io';
const BUILT_IN = [DOCKER_HUB, 'ghcr.io', 'quay.io', 'registry.k8s.io', 'gcr.io', 'mcr.microsoft.com', 'public.ecr.aws'];

/** The upstreams as they were written; without the section the seven public registries. */
export function upstreamEntries(value: unknown, reader: SectionReader): [key: string, value: unknown][] {
  const section = value === undefined ? Object.fromEntries(BUILT_IN.map((name) => [name, null])) : value;
  return reader.entries(section, UPSTREAMS);
}

/** The name of each key, where it has one that no other key has. */
export function upstreamNames(keys: readonly string[], reader: SectionReader): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const keyOf = new Map<string, string>();
  for (const key of keys) {
    const name = parseRegistryName(key);
    const rival = name === undefined ? undefined : keyOf.get(name);
    if (name === undefined) {
      reader.refuse(
        [...UPSTREAMS, key],
        'is not the name of a registry; write for example ghcr.io or registry.local:5000',
      );
    } else if (rival !== undefined) {
      reader.refuse([...UPSTREAMS, key], `means ${name}, as ${rival} does; keep one of them`);
    } else {
      names.set(key, name);
      keyOf.set(name, key);
    }
  }
  return names;
}
