import { dirname, join } from 'node:path';
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../oci/digest.ts';

/**
 * Where things lie below `storage.path`: `blobs/sha256/ab/abcd...`, `ingest/sha256-abcd...{.part,.json}`,
 * `uploads/<id>{.data,.json}` and `quarantine/sha256-abcd...`.
 */
export class Layout {
  /** `storage.path`, as the paths of its folders begin. */
  readonly root: string;
  readonly blobs: string;
  readonly ingests: string;
  readonly uploads: string;
  readonly quarantine: string;

  constructor(root: string) {
    this.blobs = join(root, 'blobs');
    this.root = dirname(this.blobs);
    this.ingests = join(root, 'ingest');
    this.uploads = join(root, 'uploads');
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

  /** What has arrived of an upload. */
  uploadData(id: string): string {
    return join(this.uploads, `${id}.data`);
  }

  /** What its start has told of it. */
  uploadNote(id: string): string {
    return join(this.uploads, `${id}.json`);
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

/** The upload that a file of the upload folder is about; undefined for other files. */
export function uploadIdOf(fileName: string): string | undefined {
  const id = fileName.replace(/\.(?:data|json)$/, '');
  return id !== fileName && isUploadId(id) ? id : undefined;
}

/** Whether an upload can have this id: only then may it be in a path. */
export function isUploadId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** The digest in the name of a file of the quarantine folder; undefined for other files. */
export function dashedDigest(fileName: string): Digest | undefined {
  const dash = fileName.indexOf('-');
  return parseDigest(`${fileName.slice(0, dash)}:${fileName.slice(dash + 1)}`);
}

function dashed(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`;
}
