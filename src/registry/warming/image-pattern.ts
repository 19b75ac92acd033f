import { compileGlob, type Matches } from '../../oci/glob.ts';
import { parseImageName } from '../../oci/image-name.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import { namedRepository } from '../operations/named-repository.ts';
import type { Upstreams } from '../upstreams.ts';

/** What a name of images means: one image, or all whose tags match. */
export type ImagePattern =
  | { readonly kind: 'one'; readonly repository: Repository; readonly reference: Reference }
  | { readonly kind: 'tags'; readonly repository: Repository; readonly matches: Matches };

const TAG_GLOB = /^[a-zA-Z0-9._*-]{1,128}$/;

/**
 * Reads `alpine`, `docker.io/library/debian:12*`, `ghcr.io/owner/app@sha256:...`. Undefined for what is none of these.
 * @throws RegistryError NAME_UNKNOWN for a registry that is not configured
 */
export function resolveImagePattern(text: string, upstreams: Upstreams): ImagePattern | undefined {
  const colon = text.indexOf(':', text.lastIndexOf('/') + 1);
  const tag = colon === -1 || text.includes('@') ? '' : text.slice(colon + 1);
  if (tag.includes('*')) {
    const repository = namedRepository(text.slice(0, colon), upstreams);
    return repository && TAG_GLOB.test(tag) ? { kind: 'tags', repository, matches: compileGlob(tag) } : undefined;
  }
  const name = parseImageName(text);
  const repository = name && namedRepository(name.path, upstreams);
  return name && repository && { kind: 'one', repository, reference: name.reference };
}
