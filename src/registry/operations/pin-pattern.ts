import { parseDigest } from '../../oci/digest.ts';
import { canonicalPath } from '../../oci/repository.ts';
import type { Upstreams } from '../upstreams.ts';
import { leadingRegistry } from './named-repository.ts';
import { OperationError } from './operation-error.ts';

/** Parts of a repository's name, with stars in them. */
const PATH = /^(?:\*\*|[a-z0-9*]+(?:[._*-]+[a-z0-9*]+)*)(?:\/(?:\*\*|[a-z0-9*]+(?:[._*-]+[a-z0-9*]+)*))*$/;
const TAG = /^[a-zA-Z0-9_*][a-zA-Z0-9._*-]{0,127}$/;

/**
 * A pin as operators write it, in full: what names no registry is at the default upstream, as in pulls.
 * @throws OperationError INVALID, NOT_FOUND for a registry that is not mirrored
 */
export function pinPattern(text: string, upstreams: Upstreams): string {
  const at = text.indexOf('@');
  const colon = at === -1 ? text.indexOf(':', text.lastIndexOf('/') + 1) : -1;
  const end = [at, colon].find((position) => position !== -1) ?? text.length;
  const reference = text.slice(end);
  const isWhole = reference === '' || (at === -1 ? TAG.test(reference.slice(1)) : parseDigest(reference.slice(1)));
  if (!isWhole) throw invalid(text);
  return inFull(text.slice(0, end), text, upstreams) + reference;
}

function inFull(name: string, text: string, upstreams: Upstreams): string {
  const slash = name.indexOf('/');
  const first = slash === -1 ? name : name.slice(0, slash);
  // A pattern of registries is as it is: `**`, `*.example.com/**`. `deb*` is none: it lies at the default upstream.
  if ((name === '**' || (slash !== -1 && first.includes('*'))) && isPattern(name)) return name;
  if (slash !== -1 && upstreams.isHosted({ registry: first })) {
    if (!isPattern(name)) throw invalid(text);
    return name;
  }
  const registry = leadingRegistry(name);
  if (registry !== undefined && !upstreams.has(registry)) {
    throw new OperationError('NOT_FOUND', `the registry "${registry}" is not mirrored here`);
  }
  const path = registry === undefined ? name : name.slice(slash + 1);
  const place = registry ?? upstreams.defaultName;
  if (place === undefined) throw new OperationError('INVALID', `"${text}" names no registry; begin with one`);
  // Docker Hub's official images live under `library/`, patterns of them too.
  const canonical = path.includes('**') ? path : canonicalPath(place, path);
  if (!isPattern(canonical) || upstreams.has(name)) throw invalid(text);
  return `${place}/${canonical}`;
}

/** `***` and `a**` would mean nothing. */
function isPattern(path: string): boolean {
  return PATH.test(path) && path.split('/').every((part) => part === '**' || !part.includes('**'));
}

function invalid(text: string): OperationError {
  return new OperationError(
    'INVALID',
    `"${text}" is no pattern of images; write for example docker.io/library/debian:*`,
  );
}
