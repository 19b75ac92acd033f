import { seededBytes, sha256 } from '../../support/bytes.ts';
import { type BuiltImage, IMAGE_MEDIA_TYPES, type ImageTarget } from '../../support/images.ts';
import { ask, type ClientAnswer, type Door } from './ask.ts';
import { expectContent } from './expectations.ts';

/** An image, as a client names it. */
export interface NamedImage extends Pick<BuiltImage, 'digest' | 'config' | 'layers'> {
  /** Without the registry: `library/app`. */
  readonly name: string;
  /** A tag, or the digest where it has none. */
  readonly reference: string;
}

/** Adds an image of these layers, of which others may have some too. Without a tag it has only its digest. */
export function publish(
  target: ImageTarget,
  name: string,
  tag: string | undefined,
  layers: readonly Uint8Array[],
): NamedImage {
  const types = IMAGE_MEDIA_TYPES.oci;
  const describe = (bytes: Uint8Array, mediaType: string) => {
    return { mediaType, digest: target.addBlob(bytes), size: bytes.length };
  };
  const described = layers.map((bytes) => describe(bytes, types.layer));
  const diffs = described.map(({ digest }) => digest);
  const config = describe(Buffer.from(JSON.stringify({ of: `${name}:${tag}`, rootfs: diffs })), types.config);
  const manifest = { schemaVersion: 2, mediaType: types.manifest, config, layers: described };
  const digest = target.addManifest(name, tag, manifest, types.manifest);
  return { name, reference: tag ?? digest, digest, config: config.digest, layers: diffs };
}

/** Adds an image of one layer of noise, which nobody else has. */
export function publishSized(
  target: ImageTarget,
  name: string,
  tag: string | undefined,
  sizeBytes: number,
): NamedImage {
  return publish(target, name, tag, [seededBytes(sizeBytes, `${name}:${tag}`)]);
}

/** Pulls an image as clients do, and checks every byte. @returns what each blob's Cache-Status was, the layers' last */
export async function pull(door: Door, { name, reference, digest, config, layers }: NamedImage): Promise<string[]> {
  const manifest = await ask(door, `/v2/${name}/manifests/${reference}`);
  expectContent(manifest, digest);
  const statuses: string[] = [];
  for (const blob of [config, ...layers]) statuses.push(cacheStatus(await pullBlob(door, name, blob)));
  return statuses;
}

/** Gets a blob and checks every byte. */
export async function pullBlob(door: Door, name: string, digest: string): Promise<ClientAnswer> {
  const answer = await ask(door, `/v2/${name}/blobs/${digest}`);
  expectContent(answer, digest);
  return answer;
}

/** What Docker asks before everything else. */
export async function head(door: Door, { name, reference }: NamedImage): Promise<ClientAnswer> {
  return ask(door, `/v2/${name}/manifests/${reference}`, { method: 'HEAD' });
}

export function cacheStatus({ headers }: ClientAnswer): string {
  return String(headers['cache-status']);
}

/** The digests of all that an image is made of, in order. */
export function contentOf(...images: readonly NamedImage[]): string[] {
  return [...new Set(images.flatMap(({ digest, config, layers }) => [digest, config].concat(layers)))].toSorted();
}

/** Takes images whose digests have to be known before there is an origin. */
export const NOWHERE: ImageTarget = {
  addBlob: (bytes) => sha256(bytes),
  addManifest: (_repository, _tag, content) => {
    return sha256(content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content)));
  },
};
