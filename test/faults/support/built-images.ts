import { expect, vi } from 'vitest';
import { seededBytes } from '../../support/bytes.ts';
import { type BuiltImage, type BuiltIndex, IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { ask, type ClientAnswer, type Door } from './ask.ts';
import { expectContent } from './expectations.ts';
import { type AdminDoor, statusOf } from './operator.ts';
import type { Stage } from './stage.ts';

const OUTCOMES = {
  hit: 'hit',
  miss: 'fwd=miss; stored',
  stale: 'hit; fwd=stale; detail=stale',
  revalidated: 'hit; fwd=stale; detail=revalidated',
  updating: 'hit; detail=updating',
} as const;

/** Pulls an image as clients do: the manifest by its name, then config and layers. @param path `/v2/library/app` */
export async function pullImage(door: Door, path: string, reference: string, image: BuiltImage): Promise<void> {
  expectContent(await ask(door, `${path}/manifests/${reference}`), image.digest);
  for (const digest of [image.config, ...image.layers]) {
    expectContent(await ask(door, `${path}/blobs/${digest}`), digest);
  }
}

/** Pulls an index and all its images. */
export async function pullIndex(door: Door, path: string, reference: string, index: BuiltIndex): Promise<void> {
  expectContent(await ask(door, `${path}/manifests/${reference}`), index.digest);
  for (const image of index.images) await pullImage(door, path, image.digest, image);
}

/**
 * Pulls an image, and waits until all of it is in the store: a client has its last byte a moment before.
 */
export async function storeImage(
  door: Door & AdminDoor,
  path: string,
  reference: string,
  built: BuiltImage | BuiltIndex,
): Promise<void> {
  if ('images' in built) await pullIndex(door, path, reference, built);
  else await pullImage(door, path, reference, built);
  await untilStored(door);
}

/** Pulls images such as `library/app:v1` that share one layer. @returns its digest */
export async function storeSharing({ origin, mirror }: Stage, images: readonly string[]): Promise<string> {
  const types = IMAGE_MEDIA_TYPES.oci;
  const layer = { mediaType: types.layer, digest: origin.addBlob(seededBytes(20_000, 'shared')), size: 20_000 };
  for (const image of images) {
    const [repository = '', tag = ''] = image.split(':');
    const bytes = Buffer.from(JSON.stringify({ image }));
    const config = { mediaType: types.config, digest: origin.addBlob(bytes), size: bytes.length };
    const content = { schemaVersion: 2, mediaType: types.manifest, config, layers: [layer] };
    const digest = origin.addManifest(repository, tag, content, types.manifest);
    expectContent(await ask(mirror, `/v2/${repository}/manifests/${tag}`), digest);
    for (const blob of [config.digest, layer.digest]) {
      expectContent(await ask(mirror, `/v2/${repository}/blobs/${blob}`), blob);
    }
  }
  await untilStored(mirror);
  return layer.digest;
}

/** Waits until no download is under way. */
export async function untilStored(door: AdminDoor): Promise<void> {
  await vi.waitFor(async () => expect((await statusOf(door)).fills).toEqual([]), { interval: 5, timeout: 5000 });
}

/** The digests of an image, or of the images of an index with the index itself. */
export function digestsOf(built: BuiltImage | BuiltIndex): string[] {
  if ('images' in built) return [built.digest, ...built.images.flatMap(digestsOf)];
  return [built.digest, built.config, ...built.layers];
}

/** The message of an error. */
export function reasonOf({ body }: ClientAnswer): string {
  const { errors } = JSON.parse(body.toString()) as { errors: { message: string }[] };
  return errors.map(({ message }) => message).join(', ');
}

/** Where the answer came from, as Cache-Status has it. */
export function expectOutcome({ headers }: ClientAnswer, outcome: keyof typeof OUTCOMES): void {
  expect(headers['cache-status']).toBe(`entrepot; ${OUTCOMES[outcome]}`);
}
