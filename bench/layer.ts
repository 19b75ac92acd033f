import { open } from 'node:fs/promises';
import { seededBytes, sha256 } from '../test/support/bytes.ts';

/** A layer as a file. */
export interface Layer {
  readonly file: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Writes a layer of noise. It is on the disk when this returns, so that writing it costs nothing later. */
export async function makeLayer(file: string, sizeBytes: number, seed: string): Promise<Layer> {
  const bytes = seededBytes(sizeBytes, seed);
  await using handle = await open(file, 'w');
  await handle.writeFile(bytes);
  await handle.datasync();
  return { file, digest: sha256(bytes), sizeBytes };
}
