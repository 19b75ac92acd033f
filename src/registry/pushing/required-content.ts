import type { ManifestReference, ParsedManifest } from '../../oci/manifest.ts';
import { isForeignLayerType } from '../../oci/media-types.ts';

/**
 * What has to be in a repository before a manifest that names it (distribution-spec, "Push"): its config, its layers and
 * the manifests that it lists, each once. Not its subject, which may come later or never, nor layers that live elsewhere
 * by design.
 */
export function requiredContent({ references }: Pick<ParsedManifest, 'references'>): readonly ManifestReference[] {
  const required = new Map<string, ManifestReference>();
  for (const reference of references) {
    if (reference.role === 'subject' || isForeignLayerType(reference.mediaType)) continue;
    // The same bytes may be asked for as a blob and as a manifest.
    required.set(`${reference.role === 'manifest' ? 'manifest' : 'blob'} ${reference.digest}`, reference);
  }
  return [...required.values()];
}
