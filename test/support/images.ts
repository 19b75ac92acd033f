import { seededBytes, sha256 } from './bytes.ts';
import type { Origin } from './origin.ts';

/** What takes the parts of an image. */
export type ImageTarget = Pick<Origin, 'addBlob' | 'addManifest'>;

/** The media types of one family. */
export type ImageFormat = 'oci' | 'docker';

/** The media types of images and indexes. */
export const IMAGE_MEDIA_TYPES = {
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const;

/** What an image is made of; the same options give the same bytes. */
export interface ImageOptions {
  /** Sizes of the layers in bytes, default one of 1000. */
  layers?: readonly number[];
  /** Default 1. */
  seed?: number;
  /** Default `linux/amd64`; a variant may follow: `linux/arm/v7`. */
  platform?: string;
  /** Default `oci`. */
  format?: ImageFormat;
}

/** An index holds one image for each platform, the seed counting up. */
export interface IndexOptions extends Omit<ImageOptions, 'platform'> {
  /** Default `linux/amd64` and `linux/arm64`. */
  platforms?: readonly string[];
}

/** An image that was added. */
export interface BuiltImage {
  /** Digest of the manifest. */
  digest: string;
  mediaType: string;
  /** The manifest's bytes. */
  bytes: Buffer;
  platform: string;
  /** Digest of the config. */
  config: string;
  /** Digests of the layers, in order. */
  layers: string[];
}

/** An index that was added, and its images. */
export interface BuiltIndex {
  /** Digest of the index. */
  digest: string;
  mediaType: string;
  /** The index's bytes. */
  bytes: Buffer;
  images: BuiltImage[];
}

/** Adds an image with layers of noise; without a tag it has only its digest. */
export function buildImage(
  target: ImageTarget,
  repository: string,
  tag: string | undefined,
  options: ImageOptions = {},
): BuiltImage {
  const { layers: sizes = [1000], seed = 1, platform = 'linux/amd64', format = 'oci' } = options;
  const types = IMAGE_MEDIA_TYPES[format];
  const layers = sizes.map((size, index) => {
    const bytes = seededBytes(size, `layer ${seed} ${index} ${platform}`);
    return { mediaType: types.layer, digest: target.addBlob(bytes), size };
  });
  const configBytes = jsonBytes({
    ...splitPlatform(platform),
    created: '2026-01-01T00:00:00Z',
    config: { Labels: { seed: String(seed) } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  });
  const config = { mediaType: types.config, digest: target.addBlob(configBytes), size: configBytes.length };
  const bytes = jsonBytes({ schemaVersion: 2, mediaType: types.manifest, config, layers });
  target.addManifest(repository, tag, bytes, types.manifest);
  return {
    digest: sha256(bytes),
    mediaType: types.manifest,
    bytes,
    platform,
    config: config.digest,
    layers: layers.map(({ digest }) => digest),
  };
}

/** Adds an index (or a manifest list) of images; only the index gets the tag. */
export function buildIndex(
  target: ImageTarget,
  repository: string,
  tag: string | undefined,
  { platforms = ['linux/amd64', 'linux/arm64'], seed = 1, ...options }: IndexOptions = {},
): BuiltIndex {
  const types = IMAGE_MEDIA_TYPES[options.format ?? 'oci'];
  const images = platforms.map((platform, offset) =>
    buildImage(target, repository, undefined, { ...options, platform, seed: seed + offset }),
  );
  const manifests = images.map(({ bytes, digest, mediaType, platform }) => ({
    mediaType,
    digest,
    size: bytes.length,
    platform: splitPlatform(platform),
  }));
  const bytes = jsonBytes({ schemaVersion: 2, mediaType: types.index, manifests });
  target.addManifest(repository, tag, bytes, types.index);
  return { digest: sha256(bytes), mediaType: types.index, bytes, images };
}

function splitPlatform(platform: string): { os: string; architecture: string; variant?: string } {
  const [os = '', architecture = '', variant] = platform.split('/');
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

function jsonBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
