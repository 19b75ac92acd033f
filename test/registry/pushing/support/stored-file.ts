import { join } from 'node:path';
import { digestAlgorithm, digestHex, type Digest } from '../../../../src/oci/digest.ts';
import type { Stock } from '../../space/stock.ts';

/** Where a store on disk has its content. */
export function storedFile({ path }: Pick<Stock, 'path'>, digest: Digest): string {
  const hex = digestHex(digest);
  return join(path, 'blobs', digestAlgorithm(digest), hex.slice(0, 2), hex);
}
