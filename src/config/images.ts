import { parsePlatform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { isRepositoryPath } from '../oci/repository.ts';
import { splitImage, TAG_GLOB } from './globs.ts';
import { parseRegistryName } from './registry-name.ts';
import { parsedText } from './scalars.ts';

/** An image by its name, whose tag may be a pattern: `docker.io/library/debian:12*`, `alpine`, `alpine@sha256:...`. */
export function imageName() {
  return parsedText(
    (source) => (isImageName(source) ? source : undefined),
    'an image, of which the tag alone may be a pattern; write for example "docker.io/library/debian:12*"',
  );
}

/** What an image is for: `linux/amd64`, `linux/arm/v7`. */
export function platform() {
  return parsedText(
    (source) => (parsePlatform(source) ? source : undefined),
    'a platform; write for example linux/amd64',
  );
}

function isImageName(source: string): boolean {
  const { repository, tag, digest } = splitImage(source);
  if (tag !== undefined && !TAG_GLOB.test(tag)) return false;
  if (digest !== undefined && parseReference(digest)?.kind !== 'digest') return false;
  const slash = repository.indexOf('/');
  const hasRegistry = slash > 0 && parseRegistryName(repository.slice(0, slash)) !== undefined;
  return isRepositoryPath(hasRegistry ? repository.slice(slash + 1) : repository);
}
