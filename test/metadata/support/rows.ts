import type { ManifestRecord } from '../../../src/metadata/metadata-index.ts';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import type { ManifestReference } from '../../../src/oci/manifest.ts';

/** Some digest, the same for the same name. */
export function digest(name: string | number): Digest {
  return digestOf(Buffer.from(String(name)));
}

/** A reference of a manifest, by default to a layer of 100 bytes. */
export function reference(name: string, role: ManifestReference['role'] = 'layer', sizeBytes = 100): ManifestReference {
  return { role, digest: digest(name), sizeBytes, mediaType: `type/${role}` };
}

/** A manifest of 1000 bytes named `name`, in `docker.io/library/app` and without a tag unless the changes say otherwise. */
export function manifest(name: string, changes: Partial<ManifestRecord> = {}): ManifestRecord {
  return {
    repository: 'docker.io/library/app',
    digest: digest(name),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    sizeBytes: 1000,
    artifactType: undefined,
    references: [],
    tags: [],
    atMs: 1_000_000,
    ...changes,
  };
}
