import { join } from 'node:path';
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../oci/digest.ts';

/** Where things lie below `storage.path`: `blobs/sha256/ab/abcd...` and `ingest/sha256-abcd...{.part,.json}`. */
export class Layout {
  readonly blobs: string;
  readonly ingests: string;

  constructor(root: string) {
    this.blobs = join(root, 'blobs');
    this.ingests = join(root, 'ingest');
  }

  blob(digest: Digest): string {
    const hex = digestHex(digest);
    return join(this.blobs, digestAlgorithm(digest), hex.slice(0, 2), hex);
  }

  /** The pieces of an ingest. */
  part(digest: Digest): string {
    return join(this.ingests, `${digestAlgorithm(digest)}-${digestHex(digest)}.part`);
  }

  /** What is known of those pieces. */
  ledger(digest: Digest): string {
    return join(this.ingests, `${digestAlgorithm(digest)}-${digestHex(digest)}.json`);
  }
}

/** The digest that a file of the ingest folder is about; undefined for other files. */
export function ingestDigest(fileName: string): Digest | undefined {
  const match = /^(sha256|sha512)-([0-9a-f]+)\.(?:part|json)$/.exec(fileName);
  return match ? parseDigest(`${match[1]}:${match[2]}`) : undefined;
}
