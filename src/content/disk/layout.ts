import { dirname, join } from 'node:path';
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../oci/digest.ts';

/**
 * Where things lie below `storage.path`: `blobs/sha256/ab/abcd...`, `ingest/sha256-abcd...{.part,.json}` and
 * `quarantine/sha256-abcd...`.
 */
export class Layout {
  /** `storage.path`, as the paths of its folders begin. */
  readonly root: string;
  readonly blobs: string;
  readonly ingests: string;
  readonly quarantine: string;

  constructor(root: string) {
    this.blobs = join(root, 'blobs');
    this.root = dirname(this.blobs);
    this.ingests = join(root, 'ingest');
    this.quarantine = join(root, 'quarantine');
  }

  blob(digest: Digest): string {
    const hex = digestHex(digest);
    return join(this.blobs, digestAlgorithm(digest), hex.slice(0, 2), hex);
  }

  /** The pieces of an ingest. */
  part(digest: Digest): string {
    return join(this.ingests, `${dashed(digest)}.part`);
  }

  /** What is known of those pieces. */
  ledger(digest: Digest): string {
    return join(this.ingests, `${dashed(digest)}.json`);
  }

  /** Damaged content that was put aside. */
  quarantined(digest: Digest): string {
    return join(this.quarantine, dashed(digest));
  }
}

/** The digest that a file of the ingest folder is about; undefined for other files. */
export function ingestDigest(fileName: string): Digest | undefined {
  const match = /^(.+)\.(?:part|json)$/.exec(fileName);
  return match?.[1] === undefined ? undefined : dashedDigest(match[1]);
}

/** The digest in the name of a file of the quarantine folder; undefined for other files. */
export function dashedDigest(fileName: string): Digest | undefined {
  const dash = fileName.indexOf('-');
  return parseDigest(`${fileName.slice(0, dash)}:${fileName.slice(dash + 1)}`);
}

function dashed(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`;
}
