import type { DigestAlgorithm } from '../../support/bytes.ts';
import { digestOf } from '../../support/bytes.ts';
import type { ImageTarget } from '../../support/images.ts';
import { IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { type Answer, type Client, send } from './send.ts';

/** What a manifest says of something else (image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Opens an upload session (end-4a). @param query with its `?`, if there is any. @returns its location */
export async function openUpload(client: Client, query = ''): Promise<string> {
  return locationOf(await send(client, 'POST', `blobs/uploads/${query}`), 202);
}

/** Where an answer of that status sends us. */
export function locationOf({ status, headers, body }: Answer, expected: number): string {
  const { location } = headers;
  if (status === expected && location !== undefined) return location;
  throw new Error(`${status} with Location ${location} instead of ${expected}: ${body.toString('utf8', 0, 500)}`);
}

/** The location that ends an upload (end-6): the parameters that it has are the registry's own. */
export function closing(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

/** Pushes a blob by POST and PUT. @returns its digest */
export async function pushBlob(
  client: Client,
  bytes: Uint8Array,
  algorithm: DigestAlgorithm = 'sha256',
): Promise<string> {
  const digest = digestOf(bytes, algorithm);
  const location = await openUpload(client);
  locationOf(await send(client, 'PUT', closing(location, digest), { body: bytes }), 201);
  return digest;
}

/** Pushes a blob. @returns what a manifest says of it */
export async function pushDescribed(
  client: Client,
  bytes: Uint8Array,
  mediaType: string,
  algorithm?: DigestAlgorithm,
): Promise<Descriptor> {
  return { mediaType, digest: await pushBlob(client, bytes, algorithm), size: bytes.length };
}

/** Sends a manifest (end-7a), an object as JSON, whatever comes of it. */
export async function putManifest(
  client: Client,
  reference: string,
  content: object | Uint8Array,
  mediaType: string = mediaTypeOf(content),
): Promise<Answer> {
  const body = bytesOf(content);
  return send(client, 'PUT', `manifests/${reference}`, { body, headers: { 'Content-Type': mediaType } });
}

/** Sends a manifest that must be taken. @param tag undefined: by digest. @returns what an index or a subject says of it */
export async function pushManifest(
  client: Client,
  tag: string | undefined,
  content: object | Uint8Array,
  mediaType: string = mediaTypeOf(content),
): Promise<Descriptor> {
  const bytes = bytesOf(content);
  const digest = digestOf(bytes);
  locationOf(await putManifest(client, tag ?? digest, bytes, mediaType), 201);
  return { mediaType, digest, size: bytes.length };
}

/** A manifest's bytes. */
export function bytesOf(content: object | Uint8Array): Buffer {
  return content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
}

function mediaTypeOf(content: object): string {
  const { mediaType } = content as { mediaType?: unknown };
  return typeof mediaType === 'string' ? mediaType : IMAGE_MEDIA_TYPES.oci.manifest;
}

/** What builders of images put somewhere, to be pushed in that order. */
class Cargo implements ImageTarget {
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #manifests: { reference: string; bytes: Buffer; mediaType: string }[] = [];

  addBlob(bytes: Uint8Array, algorithm: unknown = 'sha256'): string {
    const digest = digestOf(bytes, algorithm as DigestAlgorithm);
    this.#blobs.set(digest, bytes);
    return digest;
  }

  addManifest(_repository: string, tag: string | undefined, content: Uint8Array | object, mediaType: string): string {
    const bytes = bytesOf(content);
    const digest = digestOf(bytes);
    this.#manifests.push({ reference: tag ?? digest, bytes, mediaType });
    return digest;
  }

  /** Pushes blobs, then manifests. */
  async push(client: Client): Promise<void> {
    for (const [digest, bytes] of this.#blobs) {
      locationOf(await send(client, 'POST', `blobs/uploads/?digest=${digest}`, { body: bytes }), 201);
    }
    for (const { reference, bytes, mediaType } of this.#manifests) {
      locationOf(await putManifest(client, reference, bytes, mediaType), 201);
    }
  }
}

/** Builds something and pushes it. */
export async function ship<Built>(client: Client, build: (target: ImageTarget) => Built): Promise<Built> {
  const cargo = new Cargo();
  const built = build(cargo);
  await cargo.push(client);
  return built;
}
