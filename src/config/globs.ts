import { compileGlob } from '../oci/glob.ts';
import { parseReference } from '../oci/reference.ts';
import { canonicalPath, canonicalRegistry } from '../oci/repository.ts';
import { parsedText } from './scalars.ts';

// Parts of a repository's name, with `*` for any run of characters within one. The first may be a registry with a port.
const REPOSITORY_GLOB = /^(?:\*\*|[a-z0-9._*-]+(?::[0-9*]+(?=\/))?)(?:\/(?:\*\*|[a-z0-9._*-]+))*$/;
export const TAG_GLOB = /^[a-zA-Z0-9._*-]{1,128}$/;

/** An image or a pattern of images in its parts; what is not given is absent. */
interface ImageParts {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** A pattern of repositories: in full `docker.io/library/*`, `local/**`, or as an upstream names them. */
export function repositoryGlob() {
  return parsedText(
    (source) => (isRepositoryGlob(source) ? source : undefined),
    'a pattern of repositories; write for example "docker.io/library/*" or "local/**"',
  );
}

/** A pattern of repositories by the names that these have inside: `docker.io/library/*`, `local/**`. */
export function repositoryGlobInFull() {
  return repositoryGlob().transform(canonicalInFull);
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
    (source) => (isImageGlob(source) ? canonicalImageGlob(source) : undefined),
    'a pattern of images; write for example "docker.io/library/debian:*"',
  );
}

/** Takes an image apart: the tag stands behind the last part of the name, the digest behind everything. */
export function splitImage(source: string): ImageParts {
  const at = source.indexOf('@');
  const name = at === -1 ? source : source.slice(0, at);
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return {
    repository: colon === -1 ? name : name.slice(0, colon),
    tag: colon === -1 ? undefined : name.slice(colon + 1),
    digest: at === -1 ? undefined : source.slice(at + 1),
  };
}

/**
 * A pattern of an upstream's repositories with the names that these have inside: Docker Hub's other names are
 * `docker.io`, and its `alpine` is `library/alpine`. Otherwise such a pattern would match nothing.
 */
export function canonicalGlob(registry: string, pattern: string): string {
  const slash = pattern.indexOf('/');
  const isInFull = slash > 0 && canonicalRegistry(pattern.slice(0, slash)) === registry;
  const path = isInFull ? pattern.slice(slash + 1) : pattern;
  const canonical = path.includes('**') ? path : canonicalPath(registry, path);
  return isInFull ? `${registry}/${canonical}` : canonical;
}

/** Can a pattern of repositories in full match one of this registry or hosted namespace? */
export function isWithinReach(registry: string, pattern: string): boolean {
  const [first = '', ...others] = pattern.split('/');
  if (first === '**') return true;
  return others.length > 0 && compileGlob(canonicalRegistry(first))(registry);
}

function canonicalImageGlob(source: string): string {
  const { repository } = splitImage(source);
  return canonicalInFull(repository) + source.slice(repository.length);
}

function canonicalInFull(pattern: string): string {
  const slash = pattern.indexOf('/');
  return slash === -1 ? pattern : canonicalGlob(canonicalRegistry(pattern.slice(0, slash)), pattern);
}

function isImageGlob(source: string): boolean {
  const { repository, tag, digest } = splitImage(source);
  if (!isRepositoryGlob(repository) || (tag !== undefined && digest !== undefined)) return false;
  if (digest !== undefined) return parseReference(digest)?.kind === 'digest';
  return tag === undefined || TAG_GLOB.test(tag);
}

function isRepositoryGlob(source: string): boolean {
  // `***` and `a**` would mean nothing.
  return REPOSITORY_GLOB.test(source) && source.split('/').every((part) => part === '**' || !part.includes('**'));
}
