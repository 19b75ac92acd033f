import { expect } from 'vitest';
import { sha256 } from '../../../support/bytes.ts';
import { buildImage, type BuiltImage } from '../../../support/images.ts';
import type { Origin } from '../../../support/origin.ts';
import { ask } from '../../../faults/support/ask.ts';

/** An image at the origin, and by what it is pulled. */
export interface BlobImage extends BuiltImage {
  readonly repository: string;
  readonly tag: string;
}

/** Images of noise, each in a repository of its own. @param sizesOf the layers of the n-th, from 0 on */
export function blobImages(
  origin: Origin,
  count: number,
  sizesOf: (n: number) => readonly number[],
  name = 'image',
): BlobImage[] {
  return Array.from({ length: count }, (_, n) => {
    const repository = `library/${name.replaceAll(' ', '-')}-${n}`;
    const seed = Number.parseInt(sha256(Buffer.from(repository)).slice('sha256:'.length, 20), 16);
    return { ...buildImage(origin, repository, 'v1', { layers: sizesOf(n), seed }), repository, tag: 'v1' };
  });
}

/** Pulls an image as clients do: manifest, then config and layers. All of it must come and be right. */
export async function pullImage(url: string, image: BlobImage): Promise<void> {
  const { repository, tag, config, layers, digest, mediaType } = image;
  const get = async (path: string, expected: string): Promise<void> => {
    const answer = await ask({ url }, `/v2/${repository}/${path}`, {
      headers: { accept: mediaType },
      patienceMs: 60_000,
    });
    expect(answer, `${repository} ${path}`).toMatchObject({ status: 200, whole: true });
    expect(sha256(answer.body), `${repository} ${path}`).toBe(expected);
  };
  await get(`manifests/${tag}`, digest);
  await Promise.all([config, ...layers].map((blob) => get(`blobs/${blob}`, blob)));
}
