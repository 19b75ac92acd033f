import type { ImageParts } from '../../support/runnable-images.ts';
import { tar } from '../../support/tar.ts';

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/** An image as `docker load` takes it (what `docker save` writes), under this name. */
export function dockerArchive(reference: string, { root, blobs }: ImageParts): Buffer {
  const { config, layers } = JSON.parse(root.bytes.toString()) as Manifest;
  const nameOf = ({ digest }: { readonly digest: string }) => digest.replace('sha256:', '');
  const content = [{ Config: nameOf(config), RepoTags: [reference], Layers: layers.map(nameOf) }];
  return tar([
    ...blobs.entries().map(([digest, bytes]) => ({ name: nameOf({ digest }), bytes })),
    { name: 'manifest.json', bytes: Buffer.from(JSON.stringify(content)) },
  ]);
}
