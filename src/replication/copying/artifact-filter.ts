import { compileGlobs } from '../../oci/glob.ts';
import type { ParsedManifest } from '../../oci/manifest.ts';
import { isSchema1Type } from '../../oci/media-types.ts';

/** In a rule: container images of any kind. */
const IMAGE = 'image';
const IMAGE_CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

/** Is this an artifact of one of the types that a rule names? */
export type TakesArtifact = (manifest: ParsedManifest) => boolean;

/**
 * @param patterns globs of artifact types, `image` for container images; none: all. What an index says of itself counts, not
 * what is in it.
 */
export function compileArtifactFilter(patterns: readonly string[]): TakesArtifact {
  if (patterns.length === 0) return () => true;
  const takesImages = patterns.includes(IMAGE);
  const matches = compileGlobs(patterns.filter((pattern) => pattern !== IMAGE));
  return (manifest) =>
    (takesImages && isImage(manifest)) || (manifest.artifactType !== undefined && matches(manifest.artifactType));
}

function isImage({ isIndex, mediaType, artifactType }: ParsedManifest): boolean {
  if (artifactType === undefined) return isIndex || isSchema1Type(mediaType);
  return IMAGE_CONFIGS.has(artifactType);
}
