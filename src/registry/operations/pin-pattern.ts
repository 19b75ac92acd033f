import { canonicalPath } from '../../oci/repository.ts';
import type { Upstreams } from '../upstreams.ts';
import { OperationError } from './operation-error.ts';

const PATTERN = /^[a-z0-9._:*/-]+(?::[a-zA-Z0-9._*-]{1,128}|@sha(?:256|512):[0-9a-f*]+)?$/;

/**
 * A pin as operators write it, in full: what names no registry is at the default upstream, as in pulls.
 * @throws OperationError INVALID
 */
export function pinPattern(text: string, upstreams: Upstreams): string {
  if (!PATTERN.test(text) || text.includes('***')) {
    throw new OperationError(
      'INVALID',
      `"${text}" is no pattern of images; write for example docker.io/library/debian:*`,
    );
  }
  const slash = text.indexOf('/');
  const leading = slash === -1 ? '' : text.slice(0, slash);
  if (leading.includes('*')) return text;
  if (leading !== '' && upstreams.has(leading)) {
    return `${upstreams.canonicalName(leading)}/${atRegistry(upstreams.canonicalName(leading), text.slice(slash + 1))}`;
  }
  if (/[.:]/.test(leading)) throw new OperationError('NOT_FOUND', `"${leading}" is no upstream here`);
  const { defaultName } = upstreams;
  if (defaultName === undefined) throw new OperationError('INVALID', `"${text}" names no registry; begin with one`);
  return `${defaultName}/${atRegistry(defaultName, text)}`;
}

/** Docker Hub's official images live under `library/`, patterns of them too. */
function atRegistry(registry: string, pattern: string): string {
  const end = pattern.search(/[:@]/);
  const path = end === -1 ? pattern : pattern.slice(0, end);
  if (path === '**') return pattern;
  return canonicalPath(registry, path) + (end === -1 ? '' : pattern.slice(end));
}
