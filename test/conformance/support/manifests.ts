import { seededBytes } from '../../support/bytes.ts';
import { IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { type Descriptor, pushDescribed } from './push.ts';
import type { Client } from './send.ts';

export const { manifest: MANIFEST, index: INDEX, config: CONFIG, layer: LAYER } = IMAGE_MEDIA_TYPES.oci;
const EMPTY_JSON = 'application/vnd.oci.empty.v1+json';
export const SIGNATURE = 'application/vnd.example.signature.v1';

/** An OCI image manifest that can be changed and sent. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Pushes a config and a layer of noise. @returns the manifest of them, not pushed */
export async function imageManifest(client: Client, seed: number | string = 1): Promise<ImageManifest> {
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', seed, rootfs: { type: 'layers' } }));
  return {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: await pushDescribed(client, config, CONFIG),
    layers: [await pushDescribed(client, seededBytes(1000, `layer ${seed}`), LAYER)],
  };
}

/** What becomes a referrer of something. */
export interface ArtifactOptions {
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Pushes the empty JSON. @returns an artifact of it, not pushed (image-spec, "Guidelines for Artifact Usage") */
export async function artifactManifest(client: Client, options: ArtifactOptions = {}): Promise<ImageManifest> {
  const empty = await pushDescribed(client, Buffer.from('{}'), EMPTY_JSON);
  return { schemaVersion: 2, mediaType: MANIFEST, ...options, config: empty, layers: [empty] };
}

/** An index of these. */
export function indexOf(manifests: readonly Descriptor[], more: object = {}): { mediaType: string } {
  return { schemaVersion: 2, mediaType: INDEX, manifests, ...more } as { mediaType: string };
}
