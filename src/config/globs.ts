import { parseReference } from '../oci/reference.ts';
import { parsedText } from './scalars.ts';

// One part of a repository's name (a registry's port included), with `*` for any run of characters within it.
const REPOSITORY_GLOB = /^(?:\*\*|[a-z0-9._:*-]+)(?:\/(?:\*\*|[a-z0-9._*-]+))*$/;
const TAG_GLOB = /^[a-zA-Z0-9._*-]{1,128}$/;

/** A pattern of repositories in full: `docker.io/library/*`, `local/**`. */
export function repositoryGlob() {
  return parsedText(
    (source) => (isRepositoryGlob(source) ? source : undefined),
    'a pattern of repositories; write for example "docker.io/library/*" or "local/**"',
  );
}

/** A pattern of tags: `v1.*`. */
export function tagGlob() {
  return parsedText(
    (source) => (TAG_GLOB.test(source) ? source : undefined),
    'a pattern of tags; write for example "v1.*"',
  );
}

/** A pattern of images: a pattern of repositories, with one of tags or a digest behind it if not all are meant. */
export function imageGlob() {
  return parsedText(
    (source) => (isImageGlob(source) ? source : undefined),
    'a pattern of images; write for example "docker.io/library/debian:*"',
  );
}

function isImageGlob(source: string): boolean {
  const at = source.indexOf('@');
  if (at !== -1)
    return isRepositoryGlob(source.slice(0, at)) && parseReference(source.slice(at + 1))?.kind === 'digest';
  const colon = source.indexOf(':', source.lastIndexOf('/') + 1);
  if (colon === -1) return isRepositoryGlob(source);
  return isRepositoryGlob(source.slice(0, colon)) && TAG_GLOB.test(source.slice(colon + 1));
}

function isRepositoryGlob(source: string): boolean {
  // `***` and `a**` would mean nothing.
  return REPOSITORY_GLOB.test(source) && source.split('/').every((part) => part === '**' || !part.includes('**'));
}
