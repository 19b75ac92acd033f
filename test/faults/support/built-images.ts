import { expect } from 'vitest';
import type { BuiltImage, BuiltIndex } from '../../support/images.ts';
import { ask, type ClientAnswer, type Door } from './ask.ts';
import { expectContent } from './expectations.ts';

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
